"""The audit by testinfra, an assertion a key and a file."""

import json
import os
from pathlib import Path
from typing import Any

_task = json.loads(Path(os.environ["BENCH_TASK"]).read_text())
testinfra_hosts = [f"paramiko://{name}" for name in _task["hosts"]]


def test_node(host: Any) -> None:  # noqa: ANN401 testinfra finds its modules by name
    for key in _task["node_keys"]:
        assert host.sysctl(key) is not None
    folders = [host.file(tree) for tree in _task["trees"]]
    names = [f"{folder.path}/{name}" for folder in folders if folder.is_directory for name in folder.listdir()]
    texts = [host.file(name).content_string for name in names if name.endswith(".conf")]
    assert _task["marks"][host.backend.get_hostname()] in "".join(texts)
