"""What a log tells of resets."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.diagnose.log import intervals, judge_log, logged_resets
from fleet.model.diagnosis import CauseVerdict

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = START + timedelta(days=1)


def line(at: datetime, peer: str = "10.0.1.9") -> str:
    return f"{at.isoformat()} ERROR read tcp 10.0.2.2:9000->{peer}:40000: read: connection reset by peer"


def regular(seconds: float, count: int, *, jitter: float = 0.0, peer: str = "10.0.1.9", seed: int = 1) -> list[str]:
    chance = Random(seed)  # noqa: S311 # the same lines each time
    return [
        line(START + timedelta(seconds=seconds * number + chance.uniform(0, jitter)), peer) for number in range(count)
    ]


def verdicts(lines: Iterable[str]) -> dict[str, CauseVerdict]:
    return {each.cause: each for each in judge_log(logged_resets(lines, NOW))}


@pytest.mark.parametrize(
    ("text", "peer", "at"),
    [
        ("2026-11-20T12:00:00Z read tcp 10.0.2.2:90->10.1.1.1:4: read: connection reset by peer", "10.1.1.1", START),
        ("2026-11-20T14:00:00,000+02:00 x [::1]:90->[fd00::7]:4: connection reset by peer", "fd00::7", START),
        (
            "2026/11/20 12:00:00 [error] recv() failed (104: Connection reset by peer), client: 10.1.2.3, server: x",
            "10.1.2.3",
            START,
        ),
        ("Error: read ECONNRESET at 10.9.9.9", "10.9.9.9", None),
        ("connection reset by peer", None, None),
        ("2026-13-40T12:00:00Z 999.1.1.1 connection reset by peer", None, None),
    ],
)
def test_peer_and_time_of_a_line(text: str, peer: str | None, at: datetime | None) -> None:
    (reset,) = logged_resets([text], NOW)
    assert (None if reset.peer is None else str(reset.peer), reset.at) == (peer, at)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("E1120 12:00:00.250000   1 proxy.go:7] 10.1.1.1", START + timedelta(seconds=0.25)),
        ("Nov 20 12:00:00 node-1 nginx[7]: 10.1.1.1", START),
        ("<27>Nov  2 12:00:00 node-1 app: 10.1.1.1", START - timedelta(days=18)),
        ("Nov 23 12:00:00 node-1 app: from last year", START - timedelta(days=365 - 3)),
        ("Feb 29 12:00:00 node-1 app: no such day in either year", None),
        ('10.1.1.1 - - [20/Nov/2026:14:00:00 +0200] "GET /"', START),
        ("10.1.1.1 - - [20/Nix/2026:14:00:00 +0200]", None),
        (f'{{"level":"error","ts":{START.timestamp() + 0.5}}}', START + timedelta(seconds=0.5)),
        (f'{{"time": {int(START.timestamp())}250, "msg": "x"}}', START + timedelta(seconds=0.25)),
        (f'{{"@timestamp":"{int(START.timestamp())}000000000"}}', START),
        ('{"time":"2026-11-20T12:00:00.000Z"}', START),
        ("E1340 12:00:00.250000", None),
        ("Not 20 12:00:00", None),
    ],
)
def test_time_of_a_line(text: str, at: datetime | None) -> None:
    (reset,) = logged_resets([f"{text} connection reset by peer"], NOW)
    assert reset.at == at


def test_other_lines_are_left_out() -> None:
    assert logged_resets(["2026-11-20T12:00:00Z 10.0.0.1 connected", ""], NOW) == ()
    assert all(each.verdict == "excluded" for each in verdicts([]).values())


def test_a_fixed_interval_is_named_with_its_address() -> None:
    found = verdicts(regular(10, 30, jitter=0.8))
    assert found["health-check"].verdict == "likely"
    assert found["health-check"].evidence[0].startswith("30 resets of 10.0.1.9 come every 10.")
    assert found["logged-resets"].verdict == "excluded"


def test_a_missed_beat_leaves_the_interval_fixed() -> None:
    lines = [text for number, text in enumerate(regular(10, 30)) if number not in (7, 8, 20)]
    assert verdicts(lines)["health-check"].verdict == "likely"


def test_others_are_told_beside_it_by_their_range() -> None:
    found = verdicts([*regular(10, 30), line(START, "10.7.0.1"), line(START + timedelta(seconds=900), "10.7.0.2")])
    assert found["health-check"].verdict == "likely"
    assert found["logged-resets"].verdict == "cannot tell"
    assert "2 resets without a fixed interval, from 10.7.0.0/24 (2)" in found["logged-resets"].evidence


def test_a_burst_points_to_a_rollout() -> None:
    lines = [line(START + timedelta(seconds=number**2 / 20), f"10.7.{number}.1") for number in range(20)]
    found = verdicts(lines)
    assert found["health-check"].verdict == "excluded"
    assert any("look for a rollout" in text for text in found["logged-resets"].evidence)


@pytest.mark.parametrize("seed", range(10))
def test_chance_is_not_taken_for_an_interval(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 # the same lines each time
    at = START
    lines = []
    for _ in range(50):
        at += timedelta(seconds=chance.expovariate(1 / 30))
        lines.append(line(at))
    assert verdicts(lines)["health-check"].verdict == "excluded"


def test_too_few_are_no_interval() -> None:
    assert intervals(logged_resets(regular(10, 4), NOW)) == ()
    assert intervals(logged_resets(regular(10, 5), NOW)) != ()


@given(st.lists(st.text(max_size=80).map(lambda text: text + " connection reset by peer"), max_size=20))
def test_no_line_is_too_strange(lines: list[str]) -> None:
    assert len(judge_log(logged_resets(lines, NOW))) == 2
