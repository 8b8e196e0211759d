"""Pytest's view of a suite: a file with one test for each control on each host."""

from collections.abc import Iterator
from typing import Any, Self

import pytest

from fleet.model.errors import FleetError, HostError
from fleet.model.text import printable
from fleet.policy.control import Control
from fleet.report.explain import behind_verdict
from fleet.verify.suite import Held, Suite

FINDING = "fleet_finding"
"""The property of a test's report that holds the status of its finding."""
REASON = "fleet_reason"

_LONGEST_LINE = 2_000


class Playbook(pytest.File):
    """The tests of one playbook, host by host."""

    suite: Suite

    @classmethod
    def of(cls, suite: Suite, parent: pytest.Collector, **where: Any) -> Self:  # noqa: ANN401 as pytest's
        """Make it, at a path."""
        playbook = cls.from_parent(parent, **where)
        playbook.suite = suite
        return playbook

    def collect(self) -> Iterator[pytest.Item]:
        """List, for each host, a test that it can be read at all, then one for each control."""
        for host in self.suite.names:
            yield Answers.of(self, host, "host-answers")
            for control in self.suite.policy.controls:
                holds = Holds.of(self, host, control.id)
                holds.control = control
                yield holds


class HostTest(pytest.Item):
    """One test of one host."""

    host: str
    suite: Suite

    @classmethod
    def of(cls, playbook: Playbook, host: str, what: str) -> Self:
        """Name it ``what[host]``."""
        item = cls.from_parent(playbook, name=f"{what}[{host}]")
        item.host = host
        item.suite = playbook.suite
        return item

    def reportinfo(self) -> tuple[Any, None, str]:
        """Say where it stands: controls have no line here."""
        return self.path, None, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401
        """Show a finding and a host's error as their words; of a bug in fleet, the traceback."""
        if isinstance(excinfo.value, AssertionError | FleetError):
            return excinfo.getrepr(style="value", chain=False)
        return super().repr_failure(excinfo, style)


class Answers(HostTest):
    """That a host can be read; it is in error where it cannot, and the tests of its controls are skipped then."""

    def setup(self) -> None:
        self.suite.node(self.host)

    def runtest(self) -> None:
        """Nothing is left to do."""


class Holds(HostTest):
    """That a control holds on a host."""

    control: Control
    held: Held | None = None
    """What came of it; None until it is known."""

    def runtest(self) -> None:
        try:
            node = self.suite.node(self.host)
        except HostError:
            pytest.skip("the host could not be read")
        held = self.held = node.hold(self.control)
        finding = held.finding
        self.user_properties += [(FINDING, finding.status), (REASON, printable(finding.reason, _LONGEST_LINE))]
        if finding.status == "skip":
            pytest.skip(finding.reason)
        if finding.status in {"fail", "error"}:
            raise AssertionError("\n".join((finding.reason, *(f"  {line}" for line in behind(held)))))


def behind(held: Held) -> Iterator[str]:
    """Lines that stand below a verdict: what the control is for, the states of the setting, remedies."""
    yield f"{held.finding.title} ({held.finding.impact})"
    if held.state is not None:
        yield from (printable(line, _LONGEST_LINE) for line in behind_verdict(held.state))
