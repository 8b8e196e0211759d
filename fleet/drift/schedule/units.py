"""The systemd service and timer of a schedule.

What each setting takes away: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#Sandboxing
"""

from pathlib import Path
from typing import Final

from fleet.drift.schedule.quoting import command_line, one_line, one_match, path_list, single_path
from fleet.model.schedule import Schedule

MARK: Final = "# Made by `fleet schedule install`, and removed by `fleet schedule remove`."
"""The first line of what is ours."""

_LONGEST_CHECK: Final = "2h"
_LONGEST_DELAY: Final = 600

# By seccomp and process flags, which a user's own systemd may set too.
_OF_ANY_USER: Final = """\
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
"""

_OF_ROOT: Final = """\
CapabilityBoundingSet=
DevicePolicy=closed
KeyringMode=private
PrivateDevices=yes
PrivateMounts=yes
PrivateTmp=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
"""


def unit_name(schedule: str) -> str:
    """Of its units, without what they end in."""
    return f"fleet-drift-{schedule}"


def service_unit(schedule: Schedule, *, of_root: bool, known_hosts: Path) -> str:
    """The service.

    Args:
        schedule: what runs.
        of_root: whether the machine's own systemd runs it, and not that of a user.
        known_hosts: where new host keys may be remembered.

    Raises:
        UsageError: a path cannot stand in a unit file.
    """
    lines = [MARK, "[Unit]", f"Description=Check of drift by fleet ({schedule.name})"]
    if of_root:
        lines += ["Wants=network-online.target", "After=network-online.target"]
    lines += ["", "[Service]", "Type=oneshot", f"WorkingDirectory={single_path(schedule.directory)}"]
    if schedule.environment is not None:
        lines.append(f"EnvironmentFile={one_match(schedule.environment)}")
    lines += [
        f"ExecStart={command_line(schedule.command)}",
        "# Open drift is told, and is no failure of the check.",
        "SuccessExitStatus=3",
        f"TimeoutStartSec={_LONGEST_CHECK}",
        # Metrics are for another user to read.
        f"UMask={'0077' if schedule.metrics_dir is None else '0022'}",
    ]
    text = "\n".join(lines) + "\n" + _OF_ANY_USER
    if of_root:
        written = [schedule.state_dir, *([schedule.metrics_dir] if schedule.metrics_dir is not None else [])]
        text += f"{_OF_ROOT}ReadWritePaths={path_list(written)}\nReadWritePaths=-{path_list([known_hosts])}\n"
    return text


def timer_unit(schedule: Schedule) -> str:
    """The timer: a service that still runs is not started again.

    Raises:
        UsageError: the times cannot stand in a unit file.
    """
    lines = [MARK, "[Unit]", f"Description=Checks of drift by fleet ({schedule.name})", "", "[Timer]"]
    if schedule.every is not None:
        delay = min(schedule.every // 10, _LONGEST_DELAY)
        lines += ["OnActiveSec=1min", f"OnUnitActiveSec={schedule.every}s", f"RandomizedDelaySec={delay}s"]
    elif schedule.calendar is not None:
        # A check that was missed while the machine was off is made up for.
        lines += [f"OnCalendar={one_line(schedule.calendar)}", "Persistent=true", "RandomizedDelaySec=2min"]
        lines.append("FixedRandomDelay=true")
    return "\n".join([*lines, "", "[Install]", "WantedBy=timers.target", ""])
