"""The nodes, as pyinfra is told of them."""

import json
import os
from pathlib import Path

_task = json.loads(Path(os.environ["BENCH_TASK"]).read_text())

nodes = [
    (
        name,
        {
            "ssh_hostname": address,
            "ssh_user": "root",
            "ssh_key": _task["key"],
            "ssh_known_hosts_file": _task["known_hosts"],
            "ssh_strict_host_key_checking": "yes",
            "ssh_look_for_keys": False,
            "ssh_allow_agent": False,
        },
    )
    for name, address in _task["hosts"].items()
]
