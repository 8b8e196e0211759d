"""A plan with every kind of file and value, the node that it is for, and all of that node that it is about."""

from pathlib import Path

from support.node import Node, file_change, plan, sysctl_change

KEPT, NEW, GONE = "/etc/sysctl.d/50-kept.conf", "/etc/fleet-made/deep/new.conf", "/etc/sysctl.d/60-gone.conf"
HOSTILE = "line 'one'\n\"two\" $(touch /etc/injected) `touch /etc/injected` \\ ${HOME}\n\ttab\r\nlast without end"
PORTS = "net.ipv4.ip_local_reserved_ports"
FIN = "net.ipv4.tcp_fin_timeout"
RANGE = "net.ipv4.ip_local_port_range"
PLAN = plan(
    file_change(KEPT, "old\n", HOSTILE),
    file_change(NEW, None, "new\n", mode=0o640),
    file_change(GONE, "gone\n", None),
    sysctl_change(PORTS, "", "30000-32767,8080"),
    sysctl_change(RANGE, "32768 60999", "33000 60999"),
    sysctl_change(FIN, "60", "30"),
)

_PREPARE = f"""
rm -rf /var/lib/fleet {Path(NEW).parents[1]} {KEPT} {GONE}
printf 'old\\n' >{KEPT}
printf 'gone\\n' >{GONE}
chmod 604 {KEPT}
chown 7:8 {KEPT}
touch -d @1000000000 {KEPT}
cd /proc/sys
echo >{PORTS.replace(".", "/")}
echo 32768 60999 >{RANGE.replace(".", "/")}
echo 60 >{FIN.replace(".", "/")}
"""


def prepare(node: Node) -> None:
    """Makes the node as the plan expects it."""
    node.run("sh", "-ec", _PREPARE)


def state_of(node: Node) -> dict[str, object]:
    """Bytes, modes, owners, times and values of everything that the plan is about."""
    values = node.run("grep", "", *(f"/proc/sys/{key.replace('.', '/')}" for key in (PORTS, RANGE, FIN)))
    found: dict[str, object] = {"values": values}
    for folder in (Path(KEPT).parent, Path(NEW).parents[1]):
        for path in (node.at(folder), *node.at(folder).rglob("*")):
            if path.exists():
                status = path.lstat()
                content = path.read_bytes() if path.is_file() else b""
                found[str(path)] = (oct(status.st_mode), status.st_uid, status.st_gid, content)
    found["time"] = node.at(KEPT).stat().st_mtime if node.at(KEPT).exists() else None
    return found
