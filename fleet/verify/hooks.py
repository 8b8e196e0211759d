"""What a pytest session does with fleet's hosts; registered by `fleet verify` and by the plugin."""

from collections.abc import Callable, Collection, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleet.model.errors import FleetError, UsageError
from fleet.verify.backend import FleetBackend
from fleet.verify.items import FINDING, HostTest, Playbook
from fleet.verify.suite import Suite

if TYPE_CHECKING:
    from xdist.remote import Producer

    from fleet.verify.scheduling import HostScheduling

SuiteOf = Callable[[Path], Suite]


class FleetHooks:
    """Hooks: playbooks are test files, and tests that have a ``host`` run once for each host.

    Args:
        suite_of: loads a playbook.
        names: of the hosts.
        label: what the ids of a playbook's tests begin with; None leaves that to pytest.
    """

    def __init__(self, suite_of: SuiteOf, names: Collection[str], label: str | None = None) -> None:
        self._suite_of = suite_of
        self._names = names
        self._label = label

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> Playbook | None:
        """Take a YAML file that was named itself, not one that lies among the tests, for a playbook."""
        if file_path.suffix not in {".yaml", ".yml"} or not parent.session.isinitpath(file_path):
            return None
        try:
            suite = self._suite_of(file_path)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error
        label = {"name": self._label, "nodeid": self._label} if self._label else {}
        return Playbook.of(suite, parent, path=file_path, **label)

    @pytest.hookimpl(wrapper=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> Generator[None, None, None]:
        """Give testinfra our hosts, except where a module of tests says which it is for."""
        own = hasattr(metafunc.module, "testinfra_hosts")
        metafunc.config.option.hosts = None if own else f"{FleetBackend.NAME}://"
        try:
            return (yield)
        except UsageError as error:
            raise pytest.Collector.CollectError(str(error)) from error

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: "Producer") -> "HostScheduling | None":
        """Keep the tests of one host on one worker, unless another distribution than that of ``-n`` is asked for."""
        if config.option.dist != "load":
            return None
        from fleet.verify.scheduling import HostScheduling  # noqa: PLC0415 pytest-xdist need not be there

        return HostScheduling(config, log, self._names)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Read all hosts side by side; a worker of pytest-xdist, which has not been told its hosts, one by one."""
        if session.config.option.collectonly or hasattr(session.config, "workerinput"):
            return
        wanted: dict[Suite, dict[str, None]] = {}
        for item in session.items:
            if isinstance(item, HostTest):
                wanted.setdefault(item.suite, {})[item.host] = None
        for suite, names in wanted.items():
            try:
                suite.read(names)
            except UsageError as error:
                raise pytest.UsageError(str(error)) from error

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show an error of fleet, such as a host that cannot be reached, as its words and without a traceback."""
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, FleetError):
            report.longrepr = call.excinfo.getrepr(style="value", chain=False)
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Count a test that passed and warns as ``warned``."""
        if report.when == "call" and report.passed and (FINDING, "warn") in report.user_properties:
            return "warned", "w", "WARNED"
        return None
