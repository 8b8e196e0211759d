"""What became of the tests of one pytest session, apart from how pytest would tell it."""

from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from fleet.model.errors import HostError
from fleet.model.finding import Failure
from fleet.model.text import printable
from fleet.model.verification import TestOutcome, VerifiedTest
from fleet.verify.items import Answers, Holds, behind
from fleet.verify.naming import host_of

_LONGEST_LINE: Final = 2_000
_MOST_LINES: Final = 200


class Record:
    """Hooks that note each test, and keep pytest from telling it too.

    Args:
        names: of the hosts.
        playbook: its file, which is collected whatever else is.

    Attributes:
        tests: by the id that pytest gives them, in the order in which they ran.
        unchecked: hosts that could not be asked, and why.
        not_loaded: why tests could not be collected.
        internal_error: the last line of an error of pytest or of a plugin; empty where there was none.
        interrupted: whether Ctrl-C ended the session.
    """

    def __init__(self, names: frozenset[str], playbook: Path) -> None:
        self._names = names
        self._playbook = str(playbook)
        self.tests: dict[str, VerifiedTest] = {}
        self.unchecked: dict[str, Failure] = {}
        self.not_loaded: list[str] = []
        self.internal_error = ""
        self.interrupted = False

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep pytest quiet; without its reporter, that is, as its options are needed elsewhere."""
        config.pluginmanager.unregister(name="terminalreporter")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Add the playbook to what is collected."""
        if self._playbook not in session.config.args:
            session.config.args.append(self._playbook)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note one phase of one test."""
        report = yield
        host = item.host if isinstance(item, Answers | Holds) else host_of(item.nodeid, self._names)
        error = call.excinfo.value if call.excinfo is not None else None
        if isinstance(error, HostError):
            self.unchecked.setdefault(error.host, Failure(kind=error.kind, message=str(error)))
        if not isinstance(item, Answers) and (report.when == "call" or not report.passed):
            self.tests[item.nodeid] = _verified(item, report, host, error)
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note tests that do not load."""
        if report.failed:
            self.not_loaded.append(f"{report.nodeid}: {report.longreprtext.strip()}")

    def pytest_internalerror(self, excrepr: object) -> None:
        """Note an error of pytest or of a plugin."""
        self.internal_error = str(excrepr).strip().rpartition("\n")[2]

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note Ctrl-C; pytest ends itself by an exception of the same kind, after tests that do not load."""
        self.interrupted = excinfo.type is KeyboardInterrupt


def _verified(item: pytest.Item, report: pytest.TestReport, host: str, error: BaseException | None) -> VerifiedTest:
    is_control = isinstance(item, Holds)
    held = item.held if isinstance(item, Holds) else None
    reason, details = _told(report, error)
    if held is not None and not report.failed:
        reason = held.finding.reason
    elif held is not None and isinstance(error, AssertionError):
        reason, details = held.finding.reason, tuple(behind(held))
    return VerifiedTest(
        name=item.control.id if isinstance(item, Holds) else item.nodeid.replace(f"[fleet://{host}]", ""),
        host=host,
        is_control=is_control,
        outcome=_outcome(report, warned=held is not None and held.finding.status == "warn", error=error),
        reason=reason,
        details=details,
    )


def _outcome(report: pytest.TestReport, *, warned: bool, error: BaseException | None) -> TestOutcome:
    if report.failed:
        return "failed" if report.when == "call" and not isinstance(error, HostError) else "error"
    if report.skipped:
        return "skipped"
    return "warned" if warned else "passed"


def _told(report: pytest.TestReport, error: BaseException | None) -> tuple[str, tuple[str, ...]]:
    if isinstance(report.longrepr, tuple):
        return printable(report.longrepr[2].removeprefix("Skipped: "), _LONGEST_LINE), ()
    if not report.failed:
        return "", ()
    lines = tuple(printable(line, _LONGEST_LINE) for line in report.longreprtext.splitlines()[:_MOST_LINES])
    first = str(error).strip().partition("\n")[0]
    return printable(first, _LONGEST_LINE), lines if len(lines) > 1 else ()
