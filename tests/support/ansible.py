"""What ansible.posix.sysctl, which nobody here wrote, would change on a machine."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from fleet.lab import vm

ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
_MODULE = "ansible.posix.sysctl"


def sysctl_check(lab: vm.VmLab, machine: str, values: Sequence[tuple[str, str]], file: str, folder: Path) -> list[bool]:
    """Whether each key and value would be changed, in that file or live."""
    host = {
        "ansible_host": str(vm.LOOPBACK),
        "ansible_port": lab.machine(machine).port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(lab.identity_file),
        "ansible_ssh_common_args": f"-F /dev/null -o IdentitiesOnly=yes -o UserKnownHostsFile={lab.known_hosts}",
        "ansible_python_interpreter": "/opt/python/python3",
    }
    (folder / "inventory.yaml").write_text(yaml.safe_dump({"all": {"hosts": {machine: host}}}))
    item = {"name": "{{ item.key }}", "value": "{{ item.value }}"}
    task = {
        _MODULE: {**item, "sysctl_file": file, "sysctl_set": True, "reload": False},
        "loop": [{"key": key, "value": value} for key, value in values],
    }
    (folder / "play.yaml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    own = {
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_TIMEOUT": "60",
    }
    completed = subprocess.run(
        [ANSIBLE, "--check", "-i", folder / "inventory.yaml", folder / "play.yaml"],
        capture_output=True,
        check=False,
        cwd=folder,
        env=os.environ | own,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=600,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    ((done,),) = ([task["hosts"] for task in play["tasks"]] for play in json.loads(completed.stdout)["plays"])
    return [result["changed"] for result in done[machine]["results"]]
