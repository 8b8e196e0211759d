"""Which faults are done at which moment of a rollout, and what a node may be then."""

import json
from collections.abc import Callable
from pathlib import Path

from support.fault_cells import (
    EITHER,
    FILE,
    NEW,
    OLD,
    Cell,
    Fault,
    Phase,
    resume,
    run_fleet,
    sysctl_change,
)

PHASES = (
    Phase("before the lock", "flock -n 9"),
    Phase("before the backup", "date -u *"),
    Phase("before arming", "setsid *"),
    Phase("after arming", "sync /etc/local.d"),
    Phase("staged", "sha256sum -- *.new*"),
    Phase("between two files", "mv -f *.new /etc/*", 2),
    Phase("between files and values", "cat KEY1", 2),
    Phase("between two values", "cat KEY2", 2),
    Phase("after the last write", "mv -f *state.armed *state.applied"),
    Phase("before confirm", gate="hold"),
    Phase("confirming", "mv -f *state.applied *state.confirmed"),
    Phase("confirmed, clearing up", "rm -f *.new *"),
    Phase("undoing", "mv -f *.old /etc/*", gate="fail"),
)
TAMPERED = "was changed after it was made"
NAMES = tuple(phase.name for phase in PHASES)
BEFORE = NAMES[:9]
FILES_DONE, BETWEEN_VALUES, LAST = NAMES[6:9]
UNCONFIRMED, CONFIRMING, CONFIRMED, UNDOING = NAMES[9:]


def ends(
    before: frozenset[str],
    unconfirmed: frozenset[str] = OLD,
    confirming: frozenset[str] = NEW,
    confirmed: frozenset[str] = NEW,
) -> dict[str, frozenset[str]]:
    """What cells may end in: up to the answer of the node, and at the moments after that; an undo ends as before."""
    return {
        **dict.fromkeys(BEFORE, before),
        UNCONFIRMED: unconfirmed,
        CONFIRMING: confirming,
        CONFIRMED: confirmed,
        UNDOING: OLD,
    }


def _kill(cell: Cell) -> None:
    cell.kill_controller()
    cell.end()


def _kill_and_resume(cell: Cell) -> None:
    _kill(cell)
    cell.release()
    resume(cell)


def _cut_sessions(cell: Cell) -> None:
    cell.node.kill_sessions()


def _never_begun(cell: Cell) -> None:
    """Who was told that the node is as before can rely on it: nothing was changed meanwhile and taken back."""
    told = cell.notes["report"][3]
    # A script that holds the lock and has noted nothing down yet cannot be kept from going on, only told as unknown.
    assert told == "unknown" or "expired" not in cell.node.run_states().values(), cell.notes


def _cut_link(cell: Cell) -> None:
    cell.node.set_link("down")


def _mend_link(cell: Cell) -> None:
    cell.node.set_link("up")


def _small_tmpfs(folder: str) -> Callable[[Cell], None]:
    def mount(cell: Cell) -> None:
        cell.node.run(
            f"mkdir -p {folder} /run/was && cp -a {folder}/. /run/was/ && mode=$(stat -c %a {folder})"
            f" && mount -t tmpfs -o size=512k,mode=$mode none {folder} && cp -a /run/was/. {folder}/"
        )

    return mount


def _fill(folder: str) -> Callable[[Cell], None]:
    def fill(cell: Cell) -> None:
        cell.node.run(f"cat /dev/zero >{folder}/.fill", check=False)

    return fill


def _free(folder: str) -> Callable[[Cell], None]:
    def free(cell: Cell) -> None:
        cell.node.run(f"rm {folder}/.fill")

    return free


def _own_mount_of_etc(cell: Cell) -> None:
    cell.node.run("mount --bind /etc /etc")


def _remount(folder: str, how: str) -> Callable[[Cell], None]:
    def remount(cell: Cell) -> None:
        cell.node.run(f"mount -o remount,bind,{how} {folder}")

    return remount


def _with_setting(key: str, after: str) -> Callable[[Cell], None]:
    """Plan one more setting: as the first, between two, or as the last, by the phase."""

    def plan(cell: Cell) -> None:
        changes = list(cell.changes)
        first = next(number for number, change in enumerate(changes) if change.kind == "sysctl")
        place = {BETWEEN_VALUES: first + 1, LAST: len(changes)}.get(cell.phase.name, first)
        value = cell.node.run(f"cat /proc/sys/{key.replace('.', '/')}").strip()
        changes.insert(place, sysctl_change(key, value, after))
        cell.with_changes(changes)

    return plan


def _set_otherwise(cell: Cell) -> None:
    cell.node.set_value(cell.keys[0], "99")
    if cell.phase.name == NAMES[0]:
        cell.old = cell.node.state()


def _second_controller(cell: Cell) -> None:
    done = run_fleet(cell, cell.plan_file, state="other")
    if cell.phase.name == NAMES[0]:
        assert done.returncode == 0, (done.stdout, done.stderr)
        cell.check_truth(done.returncode, done.stdout)
        return
    [host] = json.loads(done.stdout)["hosts"].values()
    cell.notes["second"] = host
    assert host["error"], cell.notes
    assert (host["status"], host["error"]["kind"]) == ("failed", "locked"), host
    assert done.returncode == 4
    cell.notes["second"] = host["error"]["message"]


def _stale_file(cell: Cell) -> None:
    cell.node.at(FILE).write_text("# by another hand\n")
    cell.old = cell.node.state()


def _stale_boot(cell: Cell) -> None:
    cell.node.run("mount -o remount,bind,rw /proc/sys/kernel/random/boot_id", check=False)
    cell.node.run("cat /proc/sys/kernel/random/uuid >/run/boot_id")


def _tamper(cell: Cell, file: Path) -> None:
    text = file.read_text()
    assert '"after": "47"' in text
    file.write_text(text.replace('"after": "47"', '"after": "48"'))
    cell.notes["tampered"] = file.name


def _tamper_file(cell: Cell) -> None:
    _tamper(cell, cell.plan_file)
    cell.notes["refused"] = TAMPERED


def _tamper_run(cell: Cell) -> None:
    _kill(cell)
    _tamper(cell, cell.state_dir / "runs" / cell.run_id / "plan.json")


def _resume_refused(cell: Cell) -> None:
    done = run_fleet(cell, "--resume", cell.run_id)
    assert (done.returncode, done.stdout) == (2, "")
    assert TAMPERED in done.stderr
    assert cell.which() == "old"


def _reboot(cell: Cell) -> None:
    cell.node.reboot()


def _jump(words: str) -> Callable[[Cell], None]:
    def jump(cell: Cell) -> None:
        cell.node.at("/run/fault-clock").write_text(f"{words}\n")
        _kill(cell)

    return jump


_COMPARED = "everything that the plan rests on is compared once, under the lock"
_AT_ITS_WRITE = "a value is refused or altered when it is written, not at this moment"
_VERIFIED = "the node was verified already: what others change later is for the next audit"
_FOUND_BEFORE = "what cannot be written is found before anything is written"
_NO_NODE = "a plan is checked before a node is spoken to"
_NOTED = "a script that is noted down on the node is ended before it is asked what became of it"
_TAKEN_ALREADY = "the changes stay, and a plan does nothing to them any more"
_ONE_CLOCK = "nothing is waited for any more"


def _only(phases: tuple[str, ...], reason: str) -> dict[str, str]:
    return {name: reason for name in NAMES if name not in phases}


FAULTS = (
    Fault("controller killed", ends(OLD), strike=_kill, timed=True, killed=True, after=resume),
    Fault("controller killed, resumed at once", ends(EITHER, NEW), strike=_kill_and_resume, killed=True),
    Fault("connection cut", ends(EITHER, NEW), strike=_cut_sessions, timed=True),
    Fault(
        "connection cut, the script goes on later",
        ends(OLD),
        _only(NAMES[:2], _NOTED),
        strike=_cut_sessions,
        timed=True,
        held=True,
        after=_never_begun,
    ),
    Fault("cable cut", ends(OLD), strike=_cut_link, mend=_mend_link, timed=True, patience=6, after=resume),
    Fault(
        "sshd stopped",
        ends(OLD),
        strike=lambda cell: cell.node.stop_sshd(),
        mend=lambda cell: cell.node.start_sshd(),
        timed=True,
        after=resume,
    ),
    Fault(
        "disk full: /var/lib/fleet",
        ends(EITHER, NEW),
        prepare=_small_tmpfs("/var/lib/fleet"),
        strike=_fill("/var/lib/fleet"),
        mend=_free("/var/lib/fleet"),
    ),
    Fault(
        "disk full: /etc/sysctl.d",
        ends(EITHER, NEW),
        prepare=_small_tmpfs("/etc/sysctl.d"),
        strike=_fill("/etc/sysctl.d"),
        mend=_free("/etc/sysctl.d"),
    ),
    Fault(
        "/etc read-only",
        ends(EITHER, NEW),
        prepare=_own_mount_of_etc,
        strike=_remount("/etc", "ro"),
        mend=_remount("/etc", "rw"),
        timed=True,
    ),
    Fault(
        "values read-only",
        ends(EITHER, NEW),
        strike=_remount("/proc/sys/net", "ro"),
        mend=_remount("/proc/sys/net", "rw"),
        timed=True,
    ),
    Fault(
        "nf_conntrack_max of a namespace",
        dict.fromkeys(NAMES, OLD),
        _only(("staged",), _FOUND_BEFORE),
        prepare=_with_setting("net.netfilter.nf_conntrack_max", "999999"),
        traps=False,
    ),
    Fault(
        "value refused",
        dict.fromkeys(NAMES, OLD),
        _only((FILES_DONE, BETWEEN_VALUES, LAST), _AT_ITS_WRITE),
        prepare=_with_setting("net.ipv4.ip_local_port_range", "60999 32768"),
        traps=False,
    ),
    Fault(
        "value altered by the kernel",
        dict.fromkeys(NAMES, OLD),
        _only((FILES_DONE, BETWEEN_VALUES, LAST), _AT_ITS_WRITE),
        prepare=_with_setting("net.ipv4.icmp_ratelimit", "1001"),
        traps=False,
    ),
    Fault(
        "value altered by another writer",
        {**ends(NEW), NAMES[0]: OLD, BETWEEN_VALUES: OLD, LAST: OLD},
        dict.fromkeys(NAMES[9:], _VERIFIED),
        strike=_set_otherwise,
    ),
    Fault("two controllers", ends(NEW, NEW), strike=_second_controller),
    Fault("stale: a file", ends(OLD), _only(NAMES[:1], _COMPARED), strike=_stale_file),
    Fault("stale: a value", ends(OLD), _only(NAMES[:1], _COMPARED), strike=_set_otherwise),
    Fault("stale: booted since", ends(OLD), _only(NAMES[:1], _COMPARED), strike=_stale_boot),
    Fault("tampered plan", ends(OLD), _only(NAMES[:1], _NO_NODE), save=_tamper_file, traps=False),
    Fault(
        "tampered plan, controller killed",
        ends(OLD),
        {CONFIRMING: _TAKEN_ALREADY, CONFIRMED: _TAKEN_ALREADY},
        strike=_tamper_run,
        timed=True,
        killed=True,
        after=_resume_refused,
    ),
    Fault("node rebooted", ends(OLD, OLD, OLD, EITHER), strike=_reboot, patience=15),
    Fault(
        "clock ahead, controller killed",
        ends(OLD),
        {CONFIRMED: _ONE_CLOCK},
        strike=_jump("+400 days"),
        timed=True,
        killed=True,
    ),
    Fault(
        "clock back, controller killed",
        ends(OLD),
        {CONFIRMED: _ONE_CLOCK},
        strike=_jump("-400 days"),
        timed=True,
        killed=True,
    ),
)
CELLS = tuple((fault, phase) for fault in FAULTS for phase in PHASES if phase.name not in fault.no_meaning)


def table() -> str:
    """The matrix as docs/faults.md has it: what a cell may end in, or a point where it has no meaning."""
    signs = {OLD: "o", NEW: "n", EITHER: "o/n"}
    lines = [f"{number}. {name}" for number, name in enumerate(NAMES, start=1)]
    lines += ["", f"| fault | {' | '.join(str(number) for number in range(1, len(NAMES) + 1))} |"]
    lines.append("|---" * (len(NAMES) + 1) + "|")
    for fault in FAULTS:
        cells = ("." if name in fault.no_meaning else signs[fault.ends[name]] for name in NAMES)
        lines.append(f"| {fault.name} | {' | '.join(cells)} |")
    counted = f"{len(CELLS)} cells are tried; {len(FAULTS) * len(NAMES) - len(CELLS)} have no meaning (.):"
    lines += ["", counted, ""]
    lines += dict.fromkeys(f"- {reason}" for fault in FAULTS for reason in fault.no_meaning.values())
    return "\n".join(lines) + "\n"
