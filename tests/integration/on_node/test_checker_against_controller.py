"""The checker of a node says of any values what the controller says of them."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.kernel import node
from support.on_node import LEFT, compared_alone, compiled, run_here, statuses
from support.plans import judged, playbook_of
from support.probe import SHELLS

INT, OTHER, RANGE, RESERVED = (
    "net.ipv4.tcp_fin_timeout",
    "kernel.some_key",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
)
NUMBERS = ("0", "1", "-1", "5", "60", "599", "600", "9007199254740993", "9223372036854775807", "18446744073709551615")
TEXTS = ("word", "a b c", "60 61", "00000000,00000003", "1.5", "-")
RANGES = ("32768 60999", "1024 65535", "30000 32767", "32767 32768")
PORTS = ("", "8080", "30000-32767", "22,8080,30000-32767", "1024-65535", "32767-32768", "29999,32768")
VALUES = {INT: NUMBERS, OTHER: (*NUMBERS, *TEXTS, ""), RANGE: (*RANGES, "60999 32768"), RESERVED: PORTS}


def condition(rng: random.Random, key: str) -> str:
    """A condition on a key, in YAML."""
    if key in {RANGE, RESERVED}:
        values: Sequence[str] = RANGES if key == RANGE else PORTS
        some = rng.sample(values, 2)
        return rng.choice(
            [
                f"equals: '{some[0]}'",
                f"one_of: {some}",
                f"covers: '{rng.choice(PORTS[1:])}'",
                f"avoids: '{rng.choice(PORTS[1:])}'",
            ]
        )
    texts = [*map(int, NUMBERS), *(TEXTS if key == OTHER else ())]
    least, most = sorted(rng.sample([*map(int, NUMBERS), 7], 2))
    return rng.choice(
        [
            f"equals: {rng.choice(texts)!r}",
            f"one_of: {rng.sample(texts, 3)}",
            f"at_least: {least}",
            f"at_most: {most}",
            f"at_least: {least}, at_most: {most}",
            f"at_least: {least}, one_of: {rng.sample(texts, 3)}",
            f"at_most: '{{{{ {abs(least)} / 2 }}}}'",
        ]
    )


def control(rng: random.Random) -> str:
    key = rng.choice([*VALUES])
    scope = ", scope: host" if key == OTHER else ""
    prefer = f", prefer: {{{condition(rng, key)}}}" if rng.random() < 0.5 else ""
    state = rng.choice(["live", "both", "boot"])
    return f"setting: {{sysctl: {key}}}, state: {state}{scope}, expect: {{{condition(rng, key)}}}{prefer}"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("seed", range(8))
def test_the_checker_judges_values_as_the_controller_does(seed: int, shell: str, tmp_path: Path) -> None:
    rng = random.Random(f"{seed} {shell}")  # noqa: S311 repeatable variety, not a secret
    lines = "".join(f"{key} = {rng.choice(values)}\n" for key, values in VALUES.items() if rng.random() < 0.5)
    facts = node(
        sysctls={key: rng.choice(values) for key, values in VALUES.items()}, files={"/etc/sysctl.d/50-own.conf": lines}
    )
    policy = playbook_of(tmp_path, *(control(rng) for _ in range(100)))
    expected = {each.control: each.status for each in judged(policy, facts).findings}
    told = statuses(run_here(tmp_path, shell, policy, compared_alone(compiled(policy, facts)), facts=facts))
    wrong = {id_: (each, expected[id_]) for id_, each in told.items() if each != expected[id_] and each not in LEFT}
    assert (told.keys(), wrong) == (expected.keys(), {})
    assert sum(status in LEFT for status in told.values()) < len(told) / 2
