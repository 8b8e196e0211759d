"""The file system of the nodes: the machine's own, read-only, under a layer for all nodes and a layer for each.

Overlay layers hide what the machine has of its own (keys, users, sysctl.d files, everything outside the system's
folders), so that a node shows what was planted in it and nothing else.
https://docs.kernel.org/filesystems/overlayfs.html
"""

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet.lab.keys import KeyPair
from fleet.lab.specification import NodeSpec
from fleet.model.errors import LabError

LAB_FOLDER = "/usr/local/lib/fleet-lab"

_OPERATOR = "ops"
_FIRST_HUMAN_ID = 1000
_SYSTEM_FOLDERS = frozenset({"bin", "boot", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr", "var"})
_OWN_FOLDERS = ("dev", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp")
_EMPTIED = (
    *("/etc/ssh", "/etc/sudoers.d", "/etc/sysctl.d", "/etc/modules-load.d", "/etc/modprobe.d", "/etc/systemd/system"),
    *("/etc/kubernetes", "/etc/rancher", "/etc/tuned", "/etc/ufw", "/etc/cni", "/etc/default"),
    *("/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/modules-load.d", "/usr/local/lib/modules-load.d"),
    *("/var/lib/rancher", "/var/lib/kubelet", "/var/lib/kube-proxy", "/var/log", "/var/spool"),
)
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_DEVICE_LINKS = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
# GNU's, where another echo stands in the usual place (Ubuntu since 25.10): only that one runs under any name.
_ECHO = ("/usr/bin/gnuecho", "/usr/bin/echo")
_SSHD_CONFIG = f"""\
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PrintMotd no
MaxStartups 100
LogLevel VERBOSE
AllowUsers root {_OPERATOR}
Subsystem sftp internal-sftp
Include /etc/ssh/sshd_config.d/*.conf
"""
_SUDOERS = """\
Defaults env_reset
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""


@dataclass(frozen=True, slots=True)
class Layer:
    """One overlay layer as folders on disk: one for /, and one for each mount of the machine that / does not show.

    Attributes:
        folders: by where the overlay is mounted on the node; "/" is always there.
    """

    folders: Mapping[str, Path]

    def locate(self, path: str) -> Path:
        """Where the layer keeps the file that the node sees at ``path``; folders above it are made as needed."""
        mount = max((mount for mount in self.folders if _is_at_or_below(path, mount)), key=len)
        location = self.folders[mount] / path.removeprefix(mount).lstrip("/")
        location.parent.mkdir(parents=True, exist_ok=True)
        return location

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        location = self.locate(path)
        location.write_bytes(content.encode() if isinstance(content, str) else content)
        location.chmod(mode)

    def hide(self, path: str) -> None:
        """Shows an empty folder in place of what the machine has there, with the same owner and rights."""
        location = self.locate(path)
        location.mkdir(exist_ok=True)
        if Path(path).is_dir():
            shutil.copystat(path, location)
        os.setxattr(location, "trusted.overlay.opaque", b"y")

    def remove(self, path: str) -> None:
        """Shows nothing in place of what the machine has there."""
        os.mknod(self.locate(path), stat.S_IFCHR, os.makedev(0, 0))


def separate_mounts(mountinfo: str) -> tuple[str, ...]:
    """Mounts that hold parts of the system, and that an overlay over / would not show; outer ones first.

    Args:
        mountinfo: https://docs.kernel.org/filesystems/proc.html#proc-pid-mountinfo-information-about-mounts
    """
    points = {line.split()[4] for line in mountinfo.splitlines()}
    # A blank or the like is written as a backslash and digits, and would not survive as a mount option either.
    plain = (point for point in points if not set(point) & set("\\,:"))
    trees = ("/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64")
    wanted = (point for point in plain if point == "/var" or any(_is_at_or_below(point, tree) for tree in trees))
    return tuple(sorted(point for point in wanted if Path(point).is_dir()))


def write_common_layer(layer: Layer, *, authorized: KeyPair, hosts: Iterable[tuple[str, str]]) -> None:
    """What all nodes share.

    Args:
        layer: an empty one.
        authorized: the key that root and ``ops`` accept.
        hosts: addresses and names of all nodes.
    """
    for entry in Path("/").iterdir():
        if entry.name not in (*_SYSTEM_FOLDERS, *_OWN_FOLDERS):
            layer.remove(str(entry))
    for folder in (*_OWN_FOLDERS, *(path.lstrip("/") for path in _EMPTIED if Path(path).is_dir())):
        layer.hide(f"/{folder}")
    for name, (major, minor) in _DEVICES.items():
        device = layer.locate(f"/dev/{name}")
        os.mknod(device, stat.S_IFCHR, os.makedev(major, minor))
        device.chmod(0o666)
    for name, target in _DEVICE_LINKS.items():
        layer.locate(f"/dev/{name}").symlink_to(target)
    mount_points = ("/dev/pts", "/dev/shm")  # noqa: S108 - of the node
    for folder in (*mount_points, "/etc/local.d", "/root", f"/home/{_OPERATOR}"):
        layer.locate(folder).mkdir(exist_ok=True)

    layer.write("/etc/hosts", "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for address, name in hosts))
    layer.write("/etc/resolv.conf", "")
    layer.write("/etc/sysctl.conf", "")
    layer.write("/etc/ssh/sshd_config", _SSHD_CONFIG)
    layer.write("/etc/sudoers", _SUDOERS, 0o440)
    layer.write(f"/etc/sudoers.d/{_OPERATOR}", f"{_OPERATOR} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    _write_users(layer)
    for home, uid in (("/root", 0), (f"/home/{_OPERATOR}", _FIRST_HUMAN_ID)):
        layer.write(f"{home}/.ssh/authorized_keys", f"{authorized.public}\n", 0o600)
        layer.locate(f"{home}/.ssh").chmod(0o700)
        for path in (home, f"{home}/.ssh", f"{home}/.ssh/authorized_keys"):
            os.chown(layer.locate(path), uid, uid)
    layer.locate("/root").chmod(0o700)
    layer.write(f"{LAB_FOLDER}/init.sh", Path(__file__).with_name("init.sh").read_bytes(), 0o755)


def write_node_layer(layer: Layer, spec: NodeSpec, *, machine_id: str, host_key: KeyPair) -> None:
    """What one node has of its own.

    Args:
        layer: an empty one.
        spec: what is planted.
        machine_id: 32 hexadecimal digits.
        host_key: sshd's.

    Raises:
        LabError: the machine has no ``echo`` to make pretenders from.
    """
    layer.write("/etc/hostname", f"{spec.name}\n")
    layer.write("/etc/machine-id", f"{machine_id}\n", 0o444)
    layer.write("/etc/ssh/ssh_host_ed25519_key", host_key.private, 0o600)
    layer.write("/etc/ssh/ssh_host_ed25519_key.pub", f"{host_key.public}\n")
    if spec.listeners:
        layer.write("/etc/ssh/sshd_config.d/ports.conf", "".join(f"Port {port}\n" for port in spec.listeners))
    for file in spec.files:
        layer.write(file.path, file.content, file.mode)
    for link in spec.links:
        layer.locate(link.path).symlink_to(link.target)
    for process in spec.processes:
        layer.write(process.executable, _echo().read_bytes(), 0o755)

    live = "".join(f"{key.replace('.', '/')} {value}\n" for key, value in spec.live)
    processes = "".join(f"{' '.join((process.executable, *process.arguments))}\n" for process in spec.processes)
    for name, content in (("live", live), ("processes", processes), ("firewall", spec.firewall)):
        layer.write(f"{LAB_FOLDER}/{name}", content, 0o600)


def _is_at_or_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _echo() -> Path:
    for candidate in _ECHO:
        if Path(candidate).is_file():
            return Path(candidate)
    raise LabError("this machine has no /usr/bin/echo, of which a lab makes its fake k3s processes")


def _write_users(layer: Layer) -> None:
    """The machine's system users without their passwords, and ``ops``."""
    uid = _FIRST_HUMAN_ID
    system = [line for line in Path("/etc/passwd").read_text().splitlines() if _is_system_user(line)]
    names = [line.split(":")[0] for line in system]
    groups = [line for line in Path("/etc/group").read_text().splitlines() if _is_system_user(line)]
    layer.write("/etc/passwd", "\n".join([*system, f"{_OPERATOR}:x:{uid}:{uid}::/home/{_OPERATOR}:/bin/sh", ""]))
    layer.write("/etc/group", "\n".join([*groups, f"{_OPERATOR}:x:{uid}:", ""]))
    # An asterisk is no password, but unlike an exclamation mark it does not lock the account for keys.
    layer.write("/etc/shadow", "".join(f"{name}:*:19000:0:99999:7:::\n" for name in (*names, _OPERATOR)), 0o640)


def _is_system_user(line: str) -> bool:
    name, _, identity, *_ = (*line.split(":"), "", "", "")
    return name != _OPERATOR and identity.isdecimal() and int(identity) < _FIRST_HUMAN_ID
