"""The resolver against the real readers: one answer for every random tree."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from support.sysctl_oracle import KEYS, Oracle
from support.sysctl_trees import Tree, listing, node_files, trees

from fleet.kernel.boot import BootRefused, BootSet, BootUnknown, BootValue, Kernel, resolve_procps, resolve_systemd
from fleet.kernel.version import parse_release
from fleet.model.facts import NodeFile

CASES = int(os.environ.get("FLEET_BOOT_CASES", "2000"))
"""Random trees a reader and run."""

MOST_UNKNOWN = 0.12
"""Share of the answers that may be "unknown": an oracle that is never asked proves nothing."""

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


@pytest.mark.parametrize(("tool", "resolve"), [("systemd", _systemd), ("procps", _procps)])
def test_resolver_and_reader_agree_on_random_trees(
    oracle: Oracle,
    tool: str,
    resolve: Resolver,
    say: Callable[[str], None],
    record_property: Callable[[str, Any], None],
) -> None:
    kernel = Kernel(version=parse_release(os.uname().release), arch=os.uname().machine, live=oracle.defaults)
    count = {"cases": 0, "answers": 0, "unknown": 0, "set": 0, "refused": 0}

    @settings(
        max_examples=CASES + CASES // 20,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(trees())
    def agree(tree: Tree) -> None:
        answer = oracle.apply(tool, tree)
        expected = resolve(node_files(answer["files"]), kernel)
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
    assert count["unknown"] <= MOST_UNKNOWN * count["answers"]
    assert min(count["set"], count["refused"]) > CASES // 20


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
