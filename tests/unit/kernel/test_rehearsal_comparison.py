"""Predictions held against what a rehearsal left."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fleet.kernel.boot import (
    Assignment,
    BootLost,
    BootModel,
    BootRefused,
    BootSet,
    BootUnknown,
    BootUnset,
    BootValue,
    Origin,
)
from fleet.kernel.catalogue import KEYS
from fleet.kernel.rehearsal import REHEARSED_KEYS, compare_rehearsal, rehearsal_finding, rehearsal_tool
from fleet.model.facts import Reason, Unavailable
from fleet.model.rehearsal import Rehearsal

FIN = "net.ipv4.tcp_fin_timeout"
RANGE = "net.ipv4.ip_local_port_range"
REUSE = "net.ipv4.tcp_tw_reuse"
MAX = "net.netfilter.nf_conntrack_max"
DEFAULTS = {FIN: "60", RANGE: "32768 60999", REUSE: "2"}


def line(key: str, value: str) -> Assignment:
    return Assignment(key=key, value=value, origin=Origin(path="/etc/sysctl.d/9.conf", line=3), ignore_errors=False)


def sets(key: str, value: str) -> BootSet:
    return BootSet(value=value, winner=line(key, value), losers=())


def refuses(key: str, wanted: str, value: str | None) -> BootRefused:
    return BootRefused(value=value, refused=line(key, wanted), losers=(), reason="9 is out of the kernel's range")


def loses(key: str) -> BootLost:
    return BootLost(value=None, winner=line(key, "1"), losers=(), reason="too late", remedy="")


def left(after: Mapping[str, str], *output: str) -> Rehearsal:
    return Rehearsal(
        tool="/usr/lib/systemd/systemd-sysctl",
        version="systemd 252 (252.38-1~deb12u1)",
        status=0,
        output=output,
        before=DEFAULTS,
        after={**DEFAULTS, **after},
    )


@pytest.mark.parametrize(
    ("value", "after"),
    [
        (sets(FIN, "30"), {FIN: "30"}),
        (sets(RANGE, "1024 65535"), {RANGE: "1024\t65535"}),
        (refuses(REUSE, "9", None), {}),
        (refuses(REUSE, "9", "1"), {REUSE: "1"}),
        (BootUnset(losers=()), {}),
    ],
)
def test_what_was_predicted_agrees(value: BootValue, after: dict[str, str]) -> None:
    key = next(iter(after), REUSE)
    comparison = compare_rehearsal(left(after), {key: value})
    assert (comparison.differences, comparison.agreed) == ((), (key,))


@pytest.mark.parametrize(
    ("value", "after", "told"),
    [
        (sets(FIN, "30"), "60", "was to be 30 by /etc/sysctl.d/9.conf:3, the tool left 60"),
        (
            refuses(FIN, "9", None),
            "9",
            "was to be 60, because /etc/sysctl.d/9.conf:3 is refused (9 is out of the kernel's range), the tool left 9",
        ),
        (BootUnset(losers=()), "31", "was to be 60, because no file sets it, the tool left 31"),
    ],
)
def test_difference_is_a_finding_with_key_prediction_and_outcome(value: BootValue, after: str, told: str) -> None:
    finding = rehearsal_finding(left({FIN: after}), {FIN: value})
    assert (finding.control, finding.status, finding.impact, finding.settings) == (
        *("boot-rehearsal", "fail", "high"),
        (FIN,),
    )
    assert finding.reason == (
        f"/usr/lib/systemd/systemd-sysctl (systemd 252 (252.38-1~deb12u1)) does otherwise than predicted: {FIN} {told}"
    )


def test_several_differences_are_one_finding_that_names_each() -> None:
    finding = rehearsal_finding(left({}), {FIN: sets(FIN, "30"), REUSE: sets(REUSE, "1")})
    assert finding.settings == (FIN, REUSE)
    assert FIN in finding.reason
    assert REUSE in finding.reason


@pytest.mark.parametrize(
    "said", ["Couldn't write '1' to 'net/ipv4/tcp_tw_reuse'", f'sysctl: permission denied on key "{REUSE}"']
)
def test_what_the_tool_said_about_the_key_is_told(said: str) -> None:
    finding = rehearsal_finding(left({}, "about another key", said), {REUSE: sets(REUSE, "1")})
    assert finding.reason.endswith(f"the tool left 2 and said: {said}")


def test_unknown_and_lost_are_left_out_and_counted() -> None:
    boot = {FIN: sets(FIN, "60"), REUSE: BootUnknown(reason="", candidates=()), RANGE: loses(RANGE), MAX: loses(MAX)}
    comparison = compare_rehearsal(left({REUSE: "0"}), boot)
    assert comparison.differences == ()
    assert comparison.unpredicted == (REUSE, RANGE)
    assert comparison.unrehearsed == (MAX,)
    finding = rehearsal_finding(left({REUSE: "0"}), boot)
    assert finding.status == "pass"
    assert finding.reason.endswith("leaves 1 key (and 2 whose boot value is not known or comes too late) as predicted")


def test_key_that_vanished_during_the_rehearsal_is_not_compared() -> None:
    gone = replace(left({}), after={})
    assert compare_rehearsal(gone, {FIN: sets(FIN, "30")}).unrehearsed == (FIN,)
    assert rehearsal_finding(gone, {FIN: sets(FIN, "30")}).status == "skip"


def test_node_that_cannot_rehearse_is_skipped_with_the_reason() -> None:
    finding = rehearsal_finding(Unavailable(Reason.NOT_INSTALLED, "unshare"), {FIN: sets(FIN, "30")})
    assert (finding.status, finding.reason) == ("skip", "cannot rehearse here: tool not installed (unshare)")


def test_reason_is_safe_to_show() -> None:
    evil = Assignment(key=FIN, value="1", origin=Origin(path="/etc/sysctl.d/\x1b[2J.conf", line=1), ignore_errors=False)
    finding = rehearsal_finding(left({}), {FIN: BootSet(value="1", winner=evil, losers=())})
    assert finding.reason.isprintable()


@pytest.mark.parametrize(("reader", "tool"), [("systemd", "systemd-sysctl"), ("procps", "sysctl")])
def test_the_tool_is_the_one_of_the_boot(reader: str, tool: str) -> None:
    assert rehearsal_tool(model(reader)) == tool


@pytest.mark.parametrize("reader", ["alpine", "unknown"])
def test_other_boots_are_not_rehearsed(reader: str) -> None:
    assert rehearsal_tool(model(reader)) == Unavailable(Reason.IMPOSSIBLE, "because")


def model(reader: str) -> BootModel:
    readers = {"systemd": "systemd", "procps": "procps", "alpine": "alpine", "unknown": "unknown"}
    assert reader in readers
    return BootModel(reader=reader, why="because", sysctl_conf="")  # type: ignore[arg-type] # a literal, as asserted


def test_no_key_of_the_whole_machine_may_be_written() -> None:
    catalogued = [KEYS[key] for key in REHEARSED_KEYS if key in KEYS]
    assert {key.scope for key in catalogued} == {"namespace", "host-namespace"}
    assert "net.netfilter.nf_conntrack_count" not in REHEARSED_KEYS
    # Second names of keys that the tool must be able to write under either name.
    assert [key for key in REHEARSED_KEYS if key not in KEYS] == ["net.ipv4.conf.all.forwarding"]
