"""The resolver against the real readers: one answer for every random tree."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from support.sysctl_oracle import KEYS, Oracle
from support.sysctl_trees import VALUES, Tree, listing, node_files, single_files, trees, with_value

from fleet.kernel.boot import (
    BootRefused,
    BootSet,
    BootUnknown,
    BootValue,
    Kernel,
    resolve_alpine,
    resolve_procps,
    resolve_systemd,
)
from fleet.kernel.boot.acceptance import LIMITS, MEASURED_ON, Accepted, Refused, Unsure, write
from fleet.kernel.version import parse_release
from fleet.model.facts import NodeFile

CASES = int(os.environ.get("FLEET_BOOT_CASES", "2000"))
"""Random trees a reader and run."""

pytestmark = pytest.mark.root

Resolver = Callable[[Mapping[str, NodeFile], Kernel], Mapping[str, BootValue]]


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    with Oracle(tmp_path_factory.mktemp("root")) as worker:
        yield worker


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line whatever is captured: the numbers are part of what a run of CI has to show."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", flush=True)  # noqa: T201 (printing is its purpose)

    return line


def _systemd(files: Mapping[str, NodeFile], kernel: Kernel) -> Mapping[str, BootValue]:
    return resolve_systemd(files, KEYS, kernel=kernel, globs=True)


def _procps(files: Mapping[str, NodeFile], kernel: Kernel) -> Mapping[str, BootValue]:
    return resolve_procps(files, KEYS, kernel=kernel, version=(4, 0, 2))


def _alpine(files: Mapping[str, NodeFile], kernel: Kernel) -> Mapping[str, BootValue]:
    return resolve_alpine(files, KEYS, kernel=kernel)


def _kernel(oracle: Oracle) -> Kernel:
    return Kernel(version=parse_release(os.uname().release), arch=os.uname().machine, live=oracle.defaults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A real reader and our model of it; an oracle that is mostly answered "unknown" would prove nothing."""

    tool: str
    resolve: Resolver
    inputs: st.SearchStrategy[Tree]
    most_unknown: float


READERS = (
    Reader(tool="systemd", resolve=_systemd, inputs=trees(), most_unknown=0.12),
    Reader(tool="procps", resolve=_procps, inputs=trees(), most_unknown=0.12),
    Reader(tool="busybox", resolve=_alpine, inputs=single_files(), most_unknown=0.25),
)


@pytest.mark.parametrize("reader", READERS, ids=[reader.tool for reader in READERS])
def test_resolver_and_reader_agree_on_random_trees(
    oracle: Oracle, reader: Reader, say: Callable[[str], None], record_property: Callable[[str, Any], None]
) -> None:
    kernel = _kernel(oracle)
    tool = reader.tool
    count = {"cases": 0, "answers": 0, "unknown": 0, "set": 0, "refused": 0}

    @settings(
        max_examples=CASES + CASES // 20,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(reader.inputs)
    def agree(tree: Tree) -> None:
        answer = oracle.apply(tool, tree)
        expected = reader.resolve(node_files(answer["files"]), kernel)
        differences = [
            f"{key}: seen {answer['values'][key]!r}, expected {expected[key]}"
            for key in KEYS
            if _disagrees(expected[key], answer["values"][key], oracle.defaults[key])
        ]
        count["cases"] += 1
        count["answers"] += len(KEYS)
        count["unknown"] += sum(isinstance(value, BootUnknown) for value in expected.values())
        count["set"] += sum(isinstance(value, BootSet) for value in expected.values())
        count["refused"] += sum(isinstance(value, BootRefused) for value in expected.values())
        note(f"{tool} read\n{listing(tree)}\nand said\n{answer['errors']}")
        assert not differences, "\n".join(differences)

    started = time.monotonic()
    agree()
    seconds = time.monotonic() - started
    for name, number in count.items():
        record_property(f"{tool}-{name}", number)
    said = ", ".join(f"{number} {name}" for name, number in count.items())
    say(f"boot oracle {tool}: {said} in {seconds:.0f} s; no disagreement")
    assert count["cases"] >= CASES
    assert count["unknown"] <= reader.most_unknown * count["answers"]
    assert count["set"] > CASES // 2
    assert count["refused"] > CASES // 50


@pytest.mark.parametrize("reader", READERS[:2], ids=[reader.tool for reader in READERS[:2]])
def test_another_value_in_the_line_that_is_named_is_what_the_reader_then_leaves(oracle: Oracle, reader: Reader) -> None:
    kernel = _kernel(oracle)
    edited = 0

    @settings(max_examples=CASES // 4, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(trees())
    def follows(tree: Tree) -> None:
        nonlocal edited
        expected = reader.resolve(node_files(oracle.apply(reader.tool, tree)["files"]), kernel)
        for key in ("net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_time", "net.ipv4.conf.all.rp_filter"):
            value = expected[key]
            other = with_value(tree, value.winner, "77") if isinstance(value, BootSet) else None
            if other is None:
                continue
            edited += 1
            note(f"{reader.tool} named {value} in\n{listing(tree)}")
            assert oracle.apply(reader.tool, other)["values"][key] == "77"

    follows()
    assert edited > CASES // 40


def test_kernel_makes_of_a_value_what_the_table_says(oracle: Oracle) -> None:
    kernel = _kernel(oracle)
    assert kernel.version is not None
    if kernel.version < MEASURED_ON:
        pytest.skip(f"the ranges were measured on {MEASURED_ON}, and this kernel is {kernel.version}")
    edges = [str(2**power + step) for power in (0, 1, 2, 8, 16, 21, 24, 31, 32, 64) for step in (-1, 0, 1)]
    values = [*VALUES, *edges, *(f"-{edge}" for edge in edges)]
    sure = 0
    for key in [key for key, limits in LIMITS.items() if limits.measured]:
        for value, printed in zip(values, oracle.write(key, values), strict=True):
            match write(kernel, key, value.encode("latin-1").decode(errors="surrogateescape"), {}):
                case Accepted(expected):
                    assert printed == expected, f"{key}: {value!r}"
                case Refused(reason):
                    assert printed is None, f"{key}: {value!r} was to be refused: {reason}"
                case Unsure():
                    continue
            sure += 1
    assert sure > 3000


def _disagrees(expected: BootValue, seen: str, default: str) -> bool:
    if isinstance(expected, BootUnknown):
        return False
    value = expected.value if isinstance(expected, BootSet | BootRefused) else None
    return seen != (default if value is None else value)


@pytest.fixture(scope="module", autouse=True)
def _nothing_of_this_machine_changes() -> Iterator[None]:
    watched = [Path("/proc/sys") / key for key in ("kernel/panic", "net/ipv4/tcp_fin_timeout", "net/core/somaxconn")]
    before = [path.read_text() for path in watched]
    yield
    assert [path.read_text() for path in watched] == before
