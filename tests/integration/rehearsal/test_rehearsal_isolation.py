"""Whatever a node's files ask for: nothing outside of the rehearsal's namespaces changes. Run on this very machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.probe import NONCE, SHELLS
from support.rehearsal import files_of, outcome, plant, rehearse, rehearsed

from fleet.facts.rehearsal import rehearsal_script
from fleet.kernel.rehearsal import REHEARSED_KEYS
from fleet.model.facts import Reason, Unavailable
from fleet.model.rehearsal import RehearsalTool

pytestmark = pytest.mark.root

# What changes by itself, with every process of this machine, or with the network cards of labs that other tests have.
_RESTLESS = ("random/", "-nr", "-state", "ns_last_pid", "nf_conntrack_count", "pty/nr", "stable_secret", "/flush")
_RESTLESS += ("perf_event_max_sample_rate", "/fleet")
_CORE = "|/bin/false %p"
_GLOBAL = {
    "kernel.core_pattern": _CORE,
    "kernel.printk_ratelimit": "6",
    "kernel.panic_on_warn": "0",
    "vm.stat_interval": "2",
    "vm.dirty_writeback_centisecs": "501",
    "fs.lease-break-time": "46",
    "fs.inotify.max_queued_events": "16385",
    "net.core.netdev_max_backlog": "1001",
    "net.core.default_qdisc": "fq",
    "net.core.rmem_max": "212993",
    "net.ipv4.tcp_congestion_control": "bbr",
    "net.ipv4.tcp_mem": "1 2 3",
    "net.ipv4.neigh.default.gc_thresh1": "129",
    "net.netfilter.nf_conntrack_max": "262145",
    "net.nf_conntrack_max": "262145",
    "net.netfilter.nf_conntrack_expect_max": "4097",
}
_ESCAPES = ("net/../../../run/victim", "/../../run/victim", "net.//.//.//run.victim", "kernel/../../../run/victim")
_MOVED = {"net.ipv4.ip_local_port_range": "20000 50000", "net.ipv4.ip_local_reserved_ports": "30000"}


def _everything() -> str:
    """A line for every key that there is: those of the catalogue, each with another value than it has."""
    values = {key: _MOVED.get(key, "1") for key in REHEARSED_KEYS} | _GLOBAL
    return "".join(f"{key} = {value}\n" for key, value in values.items()) + "".join(
        f"{path} = overwritten\n" for path in _ESCAPES
    )


def _snapshot() -> dict[str, str]:
    """Every key of this machine and every module that it has."""
    seen = {}
    for path in Path("/proc/sys").rglob("*"):
        if path.is_file() and not any(word in str(path) for word in _RESTLESS):
            try:
                seen[str(path)] = path.read_text(errors="replace")
            except OSError as error:
                seen[str(path)] = str(error)
    seen["modules"] = "\n".join(sorted(path.name for path in Path("/sys/module").iterdir()))
    return seen


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Path]:
    """A tree that would change this machine, which is put back in order should a rehearsal let it."""
    plant(tmp_path, files_of({"/etc/sysctl.d/99-all.conf": _everything(), "/etc/sysctl.conf": _everything()}))
    (tmp_path / "run/victim").write_text("untouched")
    before = _snapshot()
    yield tmp_path
    after = _snapshot()
    changed = {path: value for path, value in before.items() if after.get(path) != value}
    for path, value in changed.items():
        if path.startswith("/"):
            Path(path).write_text(value)
    assert changed == {}


_LISTED_BEFORE_AND_AFTER = r"""list() {
  find /etc/sysctl.d /run /usr/lib/sysctl.d /usr/local/lib /etc/sysctl.conf /dev/null -printf '%p %s %m %T@ %C@\n'
  cat "/proc/$$/mountinfo"
  ls -l "/proc/$$/ns"
}
before=$(list)
trap '[ "$before" = "$(list)" ] || exit 1' EXIT
"""


@pytest.mark.parametrize("tool", ["systemd-sysctl", "sysctl"])
@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_of_the_machine_changes(hostile: Path, shell: str, tool: RehearsalTool) -> None:
    answer = rehearse(hostile, shell=shell, tool=tool, before=_LISTED_BEFORE_AND_AFTER)
    seen = rehearsed(answer)
    assert len(seen.after) > 30
    assert seen.after["net.ipv4.tcp_keepalive_time"] == "1"
    assert seen.after["net.ipv4.ip_local_port_range"] == "20000 50000"
    assert not {"net.netfilter.nf_conntrack_max", "net.ipv4.tcp_congestion_control"} & seen.after.keys()
    assert (hostile / "run/victim").read_text() == "untouched"


def test_the_snapshot_sees_every_key_that_the_tree_names() -> None:
    seen = _snapshot()
    for key in (*REHEARSED_KEYS, *_GLOBAL):
        path = "/proc/sys/" + key.replace(".", "/")
        assert path in seen or not Path(path).exists(), key
    assert len(seen) > 500


@pytest.mark.parametrize("shell", SHELLS)
def test_without_namespaces_of_its_own_nothing_is_run(hostile: Path, shell: str) -> None:
    fake = (
        'mkdir /run/bin; printf \'#!/bin/sh\\nwhile [ "$1" != sh ]; do shift; done\\nexec "$@"\\n\' >/run/bin/unshare; '
    )
    fake += "chmod +x /run/bin/unshare; export PATH=/run/bin:$PATH"
    assert outcome(rehearse(hostile, shell=shell, before=fake)) == Unavailable(
        Reason.IMPOSSIBLE, "the node gives no mnt namespace of its own"
    )


def test_mounts_that_are_shared_with_the_node_are_refused(hostile: Path) -> None:
    script = rehearsal_script().replace(b"--propagation private", b"--propagation unchanged")
    answer = rehearse(hostile, script=script, before="mount --make-rshared /")
    assert outcome(answer) == Unavailable(Reason.IMPOSSIBLE, "its mounts are shared with the node")


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (b'mount -n --bind "$1" "$root$1" && mount -n -o remount,bind,ro,nosuid,nodev "$root$1"', b"/"),
        (b"show /proc || return", b"/proc"),
    ],
)
def test_a_root_that_is_not_sealed_is_refused(hostile: Path, broken: bytes, named: bytes) -> None:
    script = rehearsal_script()
    assert broken in script
    open_again = broken.replace(b"ro,nosuid", b"rw,nosuid").replace(
        b"show /proc", b'mount -n --bind /proc "$root/proc"'
    )
    answer = rehearse(hostile, script=script.replace(broken, open_again))
    assert outcome(answer) == Unavailable(Reason.IMPOSSIBLE, f"{named.decode()} is writable")


def test_a_file_that_would_not_be_seen_is_named(tmp_path: Path) -> None:
    plant(tmp_path, [{"path": "/etc/sysctl.d/a.conf", "kind": "link", "link": "/mnt/elsewhere"}])
    mount = "mount -t tmpfs none /mnt; echo net.ipv4.tcp_fin_timeout=5 >/mnt/elsewhere"
    assert outcome(rehearse(tmp_path, before=mount)) == Unavailable(
        Reason.IMPOSSIBLE, "/etc/sysctl.d/a.conf leads to a file system that is left out"
    )


def test_a_file_of_a_mount_that_may_hold_settings_is_seen(tmp_path: Path) -> None:
    plant(tmp_path, [{"path": "/etc/sysctl.d/a.conf", "kind": "link", "link": "/opt/elsewhere"}])
    mount = "mount -t tmpfs none /opt; echo net.ipv4.tcp_fin_timeout=5 >/opt/elsewhere"
    assert rehearsed(rehearse(tmp_path, before=mount)).after["net.ipv4.tcp_fin_timeout"] == "5"


def test_masks_work(tmp_path: Path) -> None:
    plant(
        tmp_path,
        [
            {"path": "/usr/lib/sysctl.d/a.conf", "kind": "file", "content": "net.ipv4.tcp_fin_timeout=5\n"},
            {"path": "/etc/sysctl.d/a.conf", "kind": "link", "link": "/dev/null"},
        ],
    )
    seen = rehearsed(rehearse(tmp_path))
    assert seen.after["net.ipv4.tcp_fin_timeout"] == seen.before["net.ipv4.tcp_fin_timeout"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_tool_that_never_ends_is_killed(tmp_path: Path, shell: str) -> None:
    plant(tmp_path, [])
    endless = "printf '#!/bin/sh\\nexec yes >&2\\n' >/run/endless; chmod +x /run/endless; "
    endless += "mount -n --bind /run/endless /usr/lib/systemd/systemd-sysctl"
    script = rehearsal_script().replace(b"seconds=20", b"seconds=1")
    answer = rehearse(tmp_path, shell=shell, script=script, before=endless)
    assert outcome(answer) == Unavailable(Reason.IMPOSSIBLE, "/usr/lib/systemd/systemd-sysctl did not come to its end")
    assert len(answer) < 40_000


def test_node_without_the_tool_says_so(tmp_path: Path) -> None:
    plant(tmp_path, [])
    away = "mount -n -t tmpfs none /usr/lib/systemd"
    assert outcome(rehearse(tmp_path, before=away)) == Unavailable(Reason.NOT_INSTALLED, "systemd-sysctl")


def test_busybox_sysctl_is_not_taken_for_that_of_procps(tmp_path: Path) -> None:
    plant(tmp_path, [])
    swap = "mount -n --bind /usr/bin/busybox /usr/sbin/sysctl"
    assert outcome(rehearse(tmp_path, tool="sysctl", before=swap)) == Unavailable(
        Reason.IMPOSSIBLE, "sysctl is not that of procps"
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_user_who_is_not_root_is_told_so(shell: str, tmp_path: Path) -> None:
    plant(tmp_path, [])
    user = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    script = f"exec {user} {' '.join(SHELLS[shell])} -s -- {NONCE} systemd-sysctl"
    answer = rehearse(tmp_path, before=script)
    assert outcome(answer) == Unavailable(Reason.NEEDS_ROOT)


@pytest.mark.parametrize("shell", SHELLS)
def test_tools_of_busybox_will_do(hostile: Path, shell: str) -> None:
    links = "for one in unshare mount chroot timeout env cat head; do ln -s /usr/bin/busybox /run/bin/$one; done"
    answer = rehearse(hostile, shell=shell, before=f"mkdir /run/bin; {links}; export PATH=/run/bin:$PATH")
    assert rehearsed(answer).after["net.ipv4.tcp_keepalive_time"] == "1"


def test_what_unshare_says_is_told(tmp_path: Path) -> None:
    plant(tmp_path, [])
    fake = "mkdir /run/bin; printf '#!/bin/sh\\necho unshare failed: Not permitted >&2; exit 1\\n' >/run/bin/unshare; "
    answer = rehearse(tmp_path, before=fake + "chmod +x /run/bin/unshare; export PATH=/run/bin:$PATH")
    assert outcome(answer) == Unavailable(Reason.IMPOSSIBLE, "unshare failed: Not permitted")
