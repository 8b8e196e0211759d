"""One verification from start to end, within this process."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest

from fleet.model.errors import FleetError
from fleet.report.status import EXIT_FINDINGS, EXIT_HOST_NOT_CHECKED, EXIT_NOTHING_TO_REPORT
from fleet.verify.session import UNCHECKED, Verification
from fleet.verify.suite import Suite

EXIT_USAGE, EXIT_INTERRUPTED = 2, 130
_EXIT_BY_SIGNAL = 128
# Of fleet and testinfra, which run before pytest does, it could not rewrite the assert statements, nor need it.
_NO_REWRITING = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What to run and how to tell it.

    Attributes:
        playbook: its file.
        label: what the ids of its tests begin with.
        suite: its tests.
        tests: a file or directory of testinfra tests that run beside it.
        junit: where pytest writes JUnit XML.
        verbosity: as of pytest, counted from its quiet mode.
    """

    playbook: Path
    label: str
    suite: Suite
    tests: Path | None = None
    junit: Path | None = None
    verbosity: int = 0


def run(wanted: Run) -> int:
    """Run pytest, which tells the result on stdout.

    Raises:
        FleetError: pytest itself failed.

    Returns:
        the exit code of ``fleet verify``.
    """
    record = _Record()
    with _ended_by_signals():
        code = pytest.main(
            _arguments(wanted), plugins=[Verification(lambda _: wanted.suite, label=wanted.label), record]
        )
    if record.interrupted:
        return EXIT_INTERRUPTED
    match code:
        case pytest.ExitCode.OK | pytest.ExitCode.TESTS_FAILED:
            return record.exit_code()
        case pytest.ExitCode.INTERRUPTED | pytest.ExitCode.USAGE_ERROR:
            return EXIT_USAGE
        case pytest.ExitCode.INTERNAL_ERROR | pytest.ExitCode.NO_TESTS_COLLECTED:
            raise FleetError("pytest did not run the tests: see above")
        case _:
            return int(code)


def _arguments(wanted: Run) -> list[str]:
    paths = [os.fspath(path) for path in (wanted.tests, wanted.playbook) if path is not None]
    # Of a project around the tests come markers and fixtures, but not its options, which are for its own runs.
    own = ["-o", "addopts="] if wanted.tests is not None else ["-c", os.devnull, "--noconftest"]
    junit = [f"--junitxml={wanted.junit}"] if wanted.junit is not None else []
    verbosity = "-" + "v" * wanted.verbosity if wanted.verbosity else "-q"
    plugins = ["-p", "pytest11.testinfra", "-p", "no:cacheprovider", "-W", _NO_REWRITING]
    return [*plugins, *own, "--rootdir", os.curdir, "--tb=short", verbosity, *junit, *paths]


class _Record:
    """What became of the tests."""

    def __init__(self) -> None:
        self._failed = self._unchecked = False
        self.interrupted = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            unchecked = any(name == UNCHECKED for name, _ in report.user_properties)
            self._unchecked |= unchecked
            self._failed |= not unchecked

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.interrupted = isinstance(excinfo.value, KeyboardInterrupt)

    def exit_code(self) -> int:
        if self._unchecked:
            return EXIT_HOST_NOT_CHECKED
        return EXIT_FINDINGS if self._failed else EXIT_NOTHING_TO_REPORT


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
