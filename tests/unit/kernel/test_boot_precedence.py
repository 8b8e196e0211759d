"""Every row of the measured table of precedence (systemd 252, procps 4.0.2), for both readers."""

from collections.abc import Mapping

import pytest

from fleet.kernel.boot import (
    BootRefused,
    BootSet,
    BootUnknown,
    BootUnset,
    BootValue,
    Kernel,
    resolve_procps,
    resolve_systemd,
)
from fleet.kernel.boot.acceptance import Accepted, Refused, Unsure, write
from fleet.kernel.version import KernelVersion
from fleet.model.facts import NodeFile

FIN = "net.ipv4.tcp_fin_timeout"
KEEPALIVE = "net.ipv4.tcp_keepalive_time"
LO = "net.ipv4.conf.lo.rp_filter"
ALL = "net.ipv4.conf.all.rp_filter"
RANGE = "net.ipv4.ip_local_port_range"
RESERVED = "net.ipv4.ip_local_reserved_ports"
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
KEYS = (FIN, KEEPALIVE, LO, ALL, RANGE, RESERVED, LIBERAL)

KERNEL = Kernel(version=KernelVersion(6, 18), arch="x86_64", live={})


def tree(entries: Mapping[str, str | bytes | None]) -> dict[str, NodeFile]:
    """Files by path: bytes are a file, ``-> target`` a link (to nowhere, /dev/null or a file of the tree)."""
    files: dict[str, NodeFile] = {}
    for path, entry in entries.items():
        if entry is None:
            files[path] = NodeFile(path=path, kind="directory")
        elif isinstance(entry, str) and entry.startswith("-> "):
            target = entry.removeprefix("-> ")
            there = entries.get(target.replace("../", "/etc/"))
            content = there.encode() if isinstance(there, str) else there
            files[path] = NodeFile(path=path, kind="link", link=target, content=content)
        else:
            content = entry.encode() if isinstance(entry, str) else entry
            files[path] = NodeFile(path=path, kind="file", content=content)
    return files


def both(entries: Mapping[str, str | bytes | None], key: str = FIN) -> tuple[BootValue, BootValue]:
    files = tree(entries)
    systemd = resolve_systemd(files, KEYS, kernel=KERNEL, globs=True)
    procps = resolve_procps(files, KEYS, kernel=KERNEL, version=(4, 0, 2))
    return systemd[key], procps[key]


def left(value: BootValue) -> str | None:
    """The value that a reader leaves; None where the kernel's own stays."""
    assert not isinstance(value, BootUnknown), value.reason
    return None if isinstance(value, BootUnset) else value.value


T1 = {
    "/etc/sysctl.d/99-a.conf": f"{FIN}=10\n",
    "/usr/lib/sysctl.d/99-z.conf": f"{FIN}=20\n",
    "/etc/sysctl.conf": f"{FIN}=30\n",
}


@pytest.mark.parametrize(
    ("entries", "key", "systemd", "procps"),
    [
        pytest.param(T1, FIN, "20", "30", id="T1"),
        pytest.param({**T1, "/etc/sysctl.d/99-sysctl.conf": "-> ../sysctl.conf"}, FIN, "20", "30", id="T1b"),
        pytest.param(
            {
                "/etc/sysctl.d/50-x.conf": f"{FIN}=11\n",
                "/run/sysctl.d/50-x.conf": f"{FIN}=22\n",
                "/usr/lib/sysctl.d/50-x.conf": f"{FIN}=33\n",
            },
            *(FIN, "11", "11"),
            id="T2",
        ),
        pytest.param(
            {"/etc/sysctl.d/50-x.conf": "-> /dev/null", "/usr/lib/sysctl.d/50-x.conf": f"{FIN}=33\n"},
            *(FIN, None, None),
            id="T2b",
        ),
        pytest.param(
            {"/etc/sysctl.d/10-a.conf": f"{LO}=1\n", "/etc/sysctl.d/99-z.conf": "net.ipv4.conf.*.rp_filter=2\n"},
            *(LO, "1", "1"),
            id="T3-explicit",
        ),
        pytest.param(
            {"/etc/sysctl.d/10-a.conf": f"{LO}=1\n", "/etc/sysctl.d/99-z.conf": "net.ipv4.conf.*.rp_filter=2\n"},
            *(ALL, "2", "2"),
            id="T3-glob",
        ),
        pytest.param(
            {
                "/etc/sysctl.d/10-a.conf": f"{LO}=1\n",
                "/etc/sysctl.d/99-z.conf": f"net.ipv4.conf.*.rp_filter=2\n-{ALL}\n",
            },
            *(ALL, None, None),
            id="T3b",
        ),
        pytest.param(
            {"/etc/sysctl.d/50.conf": f"{FIN} = 15\nnet/ipv4/tcp_fin_timeout = 16\n"}, FIN, "16", "16", id="T4"
        ),
        pytest.param({"/etc/sysctl.d/50.conf": f"net.netfilter.no_such_key = 1\n{FIN}=17\n"}, FIN, "17", "17", id="T5"),
        pytest.param({"/etc/sysctl.d/50.conf": f"{FIN} = 18 # why\n"}, FIN, "18", "18", id="T6"),
        pytest.param({"/etc/sysctl.d/50-x": f"{FIN} = 19\n"}, FIN, None, None, id="T7"),
        pytest.param(
            {"/etc/sysctl.d/50.conf": f"{FIN} = banana\n{FIN}_x = 2\n{KEEPALIVE}=601\n"},
            *(KEEPALIVE, "601", "601"),
            id="T8-rest",
        ),
        pytest.param({"/etc/sysctl.d/50.conf": f"{FIN} = banana\n"}, FIN, None, None, id="T8-bad"),
        pytest.param({"/etc/sysctl.d/50.conf": f"-{FIN} = banana\n"}, FIN, None, None, id="T9"),
        pytest.param(
            {
                "/usr/local/lib/sysctl.d/60.conf": f"{FIN} = 21\n",
                "/etc/sysctl.d/5.conf": f"{FIN} = 22\n",
                "/etc/sysctl.d/40.conf": f"{FIN} = 23\n",
            },
            *(FIN, "21", "21"),
            id="T10",
        ),
        pytest.param(
            {
                "/etc/sysctl.d/Z.conf": f"{FIN} = 21\n",
                "/etc/sysctl.d/a.conf": f"{FIN} = 22\n",
                "/etc/sysctl.d/99-b.conf": f"{FIN} = 23\n",
            },
            *(FIN, "22", "22"),
            id="T11",
        ),
        pytest.param(
            {"/etc/sysctl.d/a.conf": f"{RANGE} = 32768\t60998\n"}, RANGE, "32768 60998", "32768 60998", id="T12"
        ),
    ],
)
def test_readers_leave_what_was_measured(
    entries: Mapping[str, str], key: str, systemd: str | None, procps: str | None
) -> None:
    assert tuple(map(left, both(entries, key))) == (systemd, procps)


@pytest.mark.parametrize(
    ("key", "value", "printed"),
    [
        *((RANGE, text, "1024 65535") for text in ("1024 65535", "1024\t65535")),
        (RANGE, "30000 40000", "30000 40000"),
        *((RANGE, text, None) for text in ("40000 30000", "0 65535", "1 65535", "32768-60999", "1000 65535")),
        (RESERVED, "30000-32767", "30000-32767"),
        (RESERVED, "30000-32767,8080", "8080,30000-32767"),
        (RESERVED, "", ""),
        (RESERVED, "70000", None),
        ("net.ipv4.tcp_tw_reuse", "3", None),
        (LIBERAL, "2", None),
        (FIN, "-1", "-1"),
        ("net.core.somaxconn", "99999999", "99999999"),
        ("net.core.somaxconn", "70000", "70000"),
        ("net.netfilter.nf_conntrack_tcp_timeout_established", "0", "0"),
    ],
)
def test_kernel_takes_and_refuses_what_was_measured(key: str, value: str, printed: str | None) -> None:
    """T13 to T16."""
    outcome = write(KERNEL, key, value, {})
    assert isinstance(outcome, Refused) if printed is None else outcome == Accepted(printed)


def test_value_outside_the_measured_range_is_unknown_on_an_older_kernel() -> None:
    older = Kernel(version=KernelVersion(5, 10), arch="x86_64", live={})
    assert isinstance(write(older, LIBERAL, "2", {}), Unsure)
    assert isinstance(write(older, LIBERAL, "banana", {}), Refused)


def test_key_outside_the_table_is_set_only_where_the_kernel_prints_that_value_now() -> None:
    kernel = Kernel(version=KernelVersion(6, 18), arch="x86_64", live={"kernel.own": "1 2"})
    assert write(kernel, "kernel.own", "1\t2", {}) == Accepted("1 2")
    assert isinstance(write(kernel, "kernel.own", "3", {}), Unsure)


def test_winner_and_losers_are_named_by_file_and_line() -> None:
    value, _ = both(
        {
            "/etc/sysctl.d/50-x.conf": f"# first\n{FIN} = 11\n",
            "/usr/lib/sysctl.d/50-x.conf": f"{FIN} = 33\n",
            "/etc/sysctl.d/60.conf": f"\n-{FIN} = 12\n",
        }
    )
    assert isinstance(value, BootSet)
    assert (str(value.winner.origin), value.winner.ignore_errors) == ("/etc/sysctl.d/60.conf:2", True)
    assert [str(loser.origin) for loser in value.losers] == [
        "/etc/sysctl.d/50-x.conf:2",
        "/usr/lib/sysctl.d/50-x.conf:1",
    ]


def test_masked_lines_are_told_where_nothing_sets_the_key() -> None:
    value, _ = both({"/etc/sysctl.d/a.conf": "", "/usr/lib/sysctl.d/a.conf": f"{FIN}=33\n"})
    assert isinstance(value, BootUnset)
    assert [str(loser.origin) for loser in value.losers] == ["/usr/lib/sysctl.d/a.conf:1"]


def test_refused_value_leaves_the_kernels_own_in_systemd_and_the_earlier_line_in_procps() -> None:
    systemd, procps = both({"/etc/sysctl.d/a.conf": f"{FIN}=5\n{FIN}=banana\n"})
    assert isinstance(systemd, BootRefused)
    assert isinstance(procps, BootRefused)
    assert (systemd.value, procps.value) == (None, "5")


def test_exclusion_after_a_line_takes_it_back_in_systemd_only() -> None:
    assert tuple(map(left, both({"/etc/sysctl.d/a.conf": f"{FIN}=5\n-{FIN}\n"}))) == (None, "5")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\0", b"\n\r", b"\r\n\0"])
def test_line_ends_of_systemd(end: bytes) -> None:
    value, _ = both({"/etc/sysctl.d/a.conf": f"{FIN}=5".encode() + end + f"{KEEPALIVE}=7".encode()})
    assert left(value) == "5"


def test_procps_reads_hidden_files_and_systemd_does_not() -> None:
    assert tuple(map(left, both({"/etc/sysctl.d/.a.conf": f"{FIN}=5\n"}))) == (None, "5")


@pytest.mark.parametrize("mask", [None, "", "-> /nowhere", "-> /dev/null"])
def test_whatever_has_the_name_masks_the_weaker_file(mask: str | None) -> None:
    values = both({"/etc/sysctl.d/a.conf": mask, "/usr/lib/sysctl.d/a.conf": f"{FIN}=5\n"})
    assert tuple(map(left, values)) == (None, None)


def test_interface_names_with_dots_take_slashes_in_dotted_keys() -> None:
    files = tree({"/etc/sysctl.d/a.conf": "net/ipv4/conf/eth0.100/rp_filter=2\nnet.ipv4.conf.eth0.100.rp_filter=1\n"})
    key = "net.ipv4.conf.eth0/100.rp_filter"
    assert left(resolve_systemd(files, [key], kernel=KERNEL, globs=True)[key]) == "2"


def test_range_that_begins_below_the_unprivileged_ports_depends_on_which_line_comes_first() -> None:
    low = "net.ipv4.ip_unprivileged_port_start=500\n"
    for order, expected in ((f"{low}{RANGE}=600 700\n", "600 700"), (f"{RANGE}=600 700\n{low}", None)):
        assert tuple(map(left, both({"/etc/sysctl.d/a.conf": order}, RANGE))) == (expected, expected)


@pytest.mark.parametrize(
    "line",
    [
        "net.ipv4.{tcp_fin_timeout,tcp_keepalive_*}=5",
        "net.ipv4.tcp_fin\\*=5",
        "net.ipv4.tcp_[[:alpha:]]*=5",
        "net/core/../ipv4/tcp_fin_timeout=5",
    ],
)
def test_what_is_not_modelled_is_unknown_and_says_where(line: str) -> None:
    for value in both({"/etc/sysctl.d/a.conf": f"#\n{line}\n"}):
        assert isinstance(value, BootUnknown)
        assert "/etc/sysctl.d/a.conf:2" in value.reason


def test_unread_file_leaves_unknown_what_no_later_line_settles() -> None:
    files = tree({"/etc/sysctl.d/50.conf": f"{FIN}=5\n", "/etc/sysctl.d/70.conf": f"{KEEPALIVE}=7\n"})
    files["/etc/sysctl.d/60.conf"] = NodeFile(path="/etc/sysctl.d/60.conf", kind="unreadable")
    values = resolve_systemd(files, KEYS, kernel=KERNEL, globs=True)
    assert isinstance(values[FIN], BootUnknown)
    assert left(values[KEEPALIVE]) == "7"


def test_refused_line_does_not_settle_what_an_unknown_line_before_it_may_have_left() -> None:
    lines = "net/ipv4/../ipv4/tcp_fin_timeout=0\nnet.ipv4.tcp_fin_timeout=+5\n"
    _, procps = both({"/etc/sysctl.d/40.conf": lines})
    assert isinstance(procps, BootUnknown)


def test_wildcards_are_unknown_where_the_release_of_systemd_is_not_known() -> None:
    files = tree({"/etc/sysctl.d/a.conf": f"net.ipv4.conf.*.rp_filter=1\n-{LO}\n{FIN}=5\n"})
    values = resolve_systemd(files, KEYS, kernel=KERNEL, globs=None)
    assert isinstance(values[ALL], BootUnknown)
    assert isinstance(values[LO], BootUnknown)
    assert left(values[FIN]) == "5"
    assert left(resolve_systemd(files, KEYS, kernel=KERNEL, globs=False)[ALL]) is None


def test_key_that_another_write_changes_is_unknown_unless_it_is_written_later() -> None:
    redirects = "net.ipv4.conf.all.accept_redirects"
    kernel = Kernel(version=KernelVersion(6, 18), arch="x86_64", live={redirects: "1"})
    forward = "net.ipv4.ip_forward=1\n"
    for order, kind in ((f"{redirects}=1\n{forward}", BootUnknown), (f"{forward}{redirects}=1\n", BootSet)):
        files = tree({"/etc/sysctl.d/a.conf": order})
        assert isinstance(resolve_systemd(files, [redirects], kernel=kernel, globs=True)[redirects], kind)
