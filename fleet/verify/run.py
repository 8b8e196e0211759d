"""One verification from start to end, within this process."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest

from fleet import __version__
from fleet.model.errors import FleetError, UsageError
from fleet.model.run_id import new_run_id
from fleet.model.text import printable
from fleet.model.verification import Verification
from fleet.runner.audit import iso
from fleet.verify.hooks import FleetHooks
from fleet.verify.record import Record
from fleet.verify.suite import Suite

_EXIT_BY_SIGNAL = 128
_MOST_SHOWN = 300
# Of fleet and testinfra, which run before pytest does, it could not rewrite the assert statements, nor need it.
_NO_REWRITING = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to verify.

    Attributes:
        playbook: as the operator gave it, which the ids of its tests begin with.
        path: its file.
        suite: its tests.
        tests: a file or directory of testinfra tests that run beside it.
        junit: where pytest writes JUnit XML.
        run_id: names the run.
    """

    playbook: str
    path: Path
    suite: Suite
    tests: Path | None = None
    junit: Path | None = None
    run_id: str = field(default_factory=new_run_id)


def verify(request: Request) -> Verification:
    """Run pytest, and give what became of the tests.

    Raises:
        UsageError: tests do not load.
        KeyboardInterrupt: it came while pytest ran.
        SystemExit: a signal ended pytest.
        FleetError: pytest or one of its plugins failed.
    """
    started = datetime.now(UTC)
    names = request.suite.names
    record = Record(frozenset(names), request.path)
    hooks = FleetHooks(lambda _: request.suite, frozenset(names), label=request.playbook)
    with _ended_by_signals():
        code = pytest.main(_arguments(request), plugins=[hooks, record])
    if record.interrupted:
        raise KeyboardInterrupt
    if record.not_loaded:
        raise UsageError("\n".join(("tests do not load", *record.not_loaded)))
    match code:
        case pytest.ExitCode.OK | pytest.ExitCode.TESTS_FAILED:
            pass
        case pytest.ExitCode.USAGE_ERROR:
            raise UsageError("pytest does not take the tests, as it says above")
        case pytest.ExitCode():
            last = printable(record.internal_error, _MOST_SHOWN) or code.name
            raise FleetError(f"pytest did not run the tests: {last}: this is a bug in fleet or in a plugin of pytest")
        case _:
            raise SystemExit(code)
    return Verification(
        run_id=request.run_id,
        started=iso(started),
        finished=iso(datetime.now(UTC)),
        playbook=request.playbook,
        version=__version__,
        independent=request.suite.independent,
        hosts={name: record.unchecked.get(name) for name in names},
        tests=tuple(record.tests.values()),
    )


def _arguments(request: Request) -> list[str]:
    if request.tests is not None:
        # Pytest takes the configuration of the project around the tests, so the playbook is added later, by `Record`.
        # Its markers and fixtures count, but not its options, which are for its own runs.
        own = ["-o", "addopts=", os.fspath(request.tests)]
    else:
        own = ["-c", os.devnull, "--noconftest", os.fspath(request.path)]
    junit = [f"--junitxml={request.junit}"] if request.junit is not None else []
    plugins = ["-p", "pytest11.testinfra", "-p", "no:cacheprovider", "-W", _NO_REWRITING]
    return [*plugins, *own, "--rootdir", os.curdir, "--tb=short", *junit]


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let a signal that ends fleet end pytest, which takes SystemExit for the failure of one test."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        pytest.exit(f"ended by {signal.Signals(number).name}", returncode=_EXIT_BY_SIGNAL + number)

    before = {
        number: signal.signal(number, end)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
