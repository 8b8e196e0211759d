"""Whether the process that a run was recorded by still runs."""

import os
import platform
from pathlib import Path


def own_process() -> str:
    """Names this process for as long as its machine is up."""
    return f"{os.getpid()} {_started(os.getpid())}"


def is_running(machine: str, process: str) -> bool | None:
    """Whether a process still runs; None for one of another machine.

    Args:
        machine: its name.
        process: as `own_process` has named it there.
    """
    if machine != platform.node():
        return None
    pid, _, started = process.partition(" ")
    return pid.isdecimal() and bool(started) and _started(int(pid)) == started


def _started(pid: int) -> str:
    """The boot, and when the process was started in it; empty where there is none of that number."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name of the program, in parentheses, may have blanks: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    state, since = after_name[0], after_name[19]
    return "" if state == "Z" else f"{boot} {since}"
