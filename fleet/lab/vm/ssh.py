"""Commands on a machine, with the OpenSSH client."""

import subprocess

from fleet.lab.vm.model import LOOPBACK, VmLab
from fleet.model.errors import LabError


def ssh_command(lab: VmLab, name: str, *, user: str = "root") -> list[str]:
    """The client with everything but the command to run; it trusts the lab's known_hosts and nothing else.

    Raises:
        KeyError: the lab has no such machine.
    """
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(lab.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "ConnectTimeout": "30",
        # The post-quantum exchange takes an emulated processor seconds.
        "KexAlgorithms": "curve25519-sha256",
    }
    arguments = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    address = ["-p", str(lab.machine(name).port), f"{user}@{LOOPBACK}"]
    return ["ssh", "-F", "/dev/null", "-i", str(lab.identity_file), *arguments, *address]


def run(
    lab: VmLab, name: str, command: str, *, stdin: bytes = b"", within: float = 120.0
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command line on a machine as root; its exit status is 255 also where the connection was lost.

    Raises:
        KeyError: the lab has no such machine.
        LabError: it did not end in time.
    """
    call = [*ssh_command(lab, name), command]
    try:
        return subprocess.run(call, capture_output=True, check=False, input=stdin, timeout=within)  # noqa: S603 - the caller's command
    except subprocess.TimeoutExpired as error:
        raise LabError(f"a command on machine {name} did not end within {within:.0f} s") from error
