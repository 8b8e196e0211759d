"""Why a line that would give a value to a key does not count."""

from collections.abc import Callable, Mapping

import pytest

from fleet.kernel.boot import BootRefused, BootSet, BootUnset, BootValue, Kernel, resolve_procps, resolve_systemd
from fleet.kernel.version import KernelVersion
from fleet.model.facts import NodeFile

FIN = "net.ipv4.tcp_fin_timeout"
LO = "net.ipv4.conf.lo.rp_filter"
ALL = "net.ipv4.conf.all.rp_filter"
GLOB = "net.ipv4.conf.*.rp_filter"
KERNEL = Kernel(version=KernelVersion(6, 18), arch="x86_64", live={})


def systemd(entries: Mapping[str, str], key: str) -> BootValue:
    return resolve_systemd(tree(entries), [key], kernel=KERNEL, globs=True)[key]


def procps(entries: Mapping[str, str], key: str) -> BootValue:
    return resolve_procps(tree(entries), [key], kernel=KERNEL, version=(4, 0, 2))[key]


def tree(entries: Mapping[str, str]) -> dict[str, NodeFile]:
    return {
        path: NodeFile(path=path, kind="link", link="/dev/null")
        if content == "/dev/null"
        else NodeFile(path=path, kind="file", content=content.encode())
        for path, content in entries.items()
    }


def reasons(value: BootValue) -> dict[str, str]:
    assert isinstance(value, BootSet | BootUnset | BootRefused)
    return {str(line.origin): line.reason for line in value.losers}


@pytest.mark.parametrize("reader", [systemd, procps])
@pytest.mark.parametrize(
    ("key", "entries", "expected"),
    [
        (
            FIN,
            {"/etc/sysctl.d/50-a.conf": f"{FIN}=1\n{FIN}=2\n", "/usr/lib/sysctl.d/60-b.conf": f"{FIN}=3\n"},
            dict.fromkeys(
                ("/etc/sysctl.d/50-a.conf:1", "/etc/sysctl.d/50-a.conf:2"), "another line is applied after it"
            ),
        ),
        (
            FIN,
            {"/etc/sysctl.d/a.conf": f"{FIN}=1\n", "/usr/lib/sysctl.d/a.conf": f"{FIN}=2\n"},
            {"/usr/lib/sysctl.d/a.conf:1": "its file is hidden by /etc/sysctl.d/a.conf"},
        ),
        (
            FIN,
            {"/etc/sysctl.d/a.conf": "/dev/null", "/usr/lib/sysctl.d/a.conf": f"{FIN}=2\n"},
            {"/usr/lib/sysctl.d/a.conf:1": "its file is masked by /etc/sysctl.d/a.conf, a link to /dev/null"},
        ),
        (
            LO,
            {"/etc/sysctl.d/a.conf": f"{LO}=1\n", "/etc/sysctl.d/b.conf": f"{GLOB}=2\n"},
            {"/etc/sysctl.d/b.conf:1": "/etc/sysctl.d/a.conf:1 names the key, so wildcards leave it alone"},
        ),
        (
            ALL,
            {"/etc/sysctl.d/a.conf": f"{GLOB}=2\n\n-{ALL}\n"},
            {"/etc/sysctl.d/a.conf:1": "/etc/sysctl.d/a.conf:3 excludes the key"},
        ),
        (
            LO,
            {"/etc/sysctl.d/a.conf": f"{GLOB}=2\n", "/etc/sysctl.d/b.conf": f"{GLOB}=1\n"},
            {"/etc/sysctl.d/a.conf:1": "another line is applied after it"},
        ),
    ],
)
def test_a_line_that_does_not_count_says_why(
    reader: Callable[[Mapping[str, str], str], BootValue],
    key: str,
    entries: Mapping[str, str],
    expected: Mapping[str, str],
) -> None:
    assert reasons(reader(entries, key)) == expected


def test_an_exclusion_after_a_line_takes_it_back_in_systemd() -> None:
    value = systemd({"/etc/sysctl.d/a.conf": f"{FIN}=1\n", "/etc/sysctl.d/b.conf": f"-{FIN}\n"}, FIN)
    assert isinstance(value, BootUnset)
    assert reasons(value) == {"/etc/sysctl.d/a.conf:1": "/etc/sysctl.d/b.conf:1 excludes the key"}


def test_the_line_whose_value_stays_where_a_later_one_is_refused_says_so() -> None:
    value = procps({"/etc/sysctl.d/a.conf": f"{FIN}=5\n{FIN}=banana\n"}, FIN)
    assert isinstance(value, BootRefused)
    assert reasons(value) == {"/etc/sysctl.d/a.conf:1": "its value stays"}


def test_the_line_that_wins_has_no_such_reason() -> None:
    value = systemd({"/etc/sysctl.d/a.conf": f"{FIN}=1\n{FIN}=2\n"}, FIN)
    assert isinstance(value, BootSet)
    assert (value.winner.origin.line, value.winner.reason) == (2, "")
