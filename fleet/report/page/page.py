"""The page: HTML, styles, script and data in one text, that asks nobody for anything."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from markupsafe import Markup

from fleet.model.drift import DriftReport
from fleet.model.finding import Audit
from fleet.model.proof import Proof
from fleet.model.rollout import RunResult
from fleet.model.trend import TrendPoint
from fleet.plan import Plan
from fleet.report.compare import Difference, compare
from fleet.report.explain import notes, pod_remedy, states
from fleet.report.grouping import ControlVerdicts, Verdict, by_control, name_hosts
from fleet.report.marks import FINDING_MARKS
from fleet.report.page.data import page_data
from fleet.report.page.document import asset, policy, style, templates
from fleet.report.page.drift import drift_view
from fleet.report.page.evidence import proof_view
from fleet.report.page.grid import grid
from fleet.report.page.heat import heat
from fleet.report.page.timeline import run_view
from fleet.report.page.trend import lines
from fleet.report.plan_grouping import changes, planned_hosts, refusals, risks, shared
from fleet.report.pod_remedy import (
    POD_REMEDY_TITLE,
    kubelet_flag,
    pod_remedy_groups,
    security_context,
    where_it_belongs,
)
from fleet.report.protection import PROTECTION_TITLE, protection_groups
from fleet.report.prove_words import COLUMNS, FIX_WORDS
from fleet.report.status import FINDING_STATUSES, NOTEWORTHY, host_counts
from fleet.report.usage import HIGH, fleet_usage
from fleet.report.words import HOST_COUNT_WORDS, MOMENTS, count_hosts

MOST_OUTCOMES: Final = 20
"""Outcomes of one control that are told in full; those of the fewest hosts are only counted."""
LONGEST_LIST: Final = 600
"""Characters of a list of hosts; who wants them all finds them with the page's filter."""
MOST_DIFFERENCES: Final = 30
MOST_DIFFS: Final = 200
_SCRIPTS: Final = ("data.js", "search.js", "host.js", "table.js", "start.js")


def report_page(  # noqa: PLR0913 its parts, of which all but one may be left out
    audit: Audit,
    *,
    drift: DriftReport | None = None,
    runs: Sequence[RunResult] = (),
    plans: Sequence[Plan] = (),
    proofs: Sequence[Proof] = (),
    trend: Sequence[TrendPoint] = (),
) -> str:
    """One HTML document, to be read by people from a file, a mail or any web server.

    Args:
        audit: what the page is about.
        drift: what the drift check has told of which it is the audit; None where it was made by itself.
        runs: applies and rollbacks to tell beside it, in the order to show them.
        plans: whose diffs to show.
        proofs: whose evidence to show.
        trend: of this audit and the looks before it, the oldest first; what two of them tell is drawn.
    """
    everyone = tuple(name for name, host in audit.hosts.items() if host.error is None)
    of_fleet = grid(audit)
    comparison = compare(audit)
    look, script = style(), asset(*_SCRIPTS)
    remedies = pod_remedy_groups(audit)
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            policy=policy(look, script),
            style=look.text,
            script=script.text,
            data=Markup(page_data(of_fleet, runs)),  # noqa: S704 JSON without <
            audit=audit,
            drift=drift_view(drift, lambda names: _hosts(names, everyone)) if drift is not None else None,
            counts=_host_words(audit),
            finding_counts=Counter(finding.status for host in audit.hosts.values() for finding in host.findings),
            statuses=FINDING_STATUSES,
            marks=FINDING_MARKS,
            grid=of_fleet,
            heat=heat(of_fleet),
            controls=by_control(audit, NOTEWORTHY),
            outcomes=_outcomes,
            name_hosts=lambda names: _hosts(names, everyone),
            protection_title=PROTECTION_TITLE,
            moments=MOMENTS.values(),
            protection=protection_groups(audit, everything=True),
            usage=fleet_usage(audit),
            high_usage=HIGH,
            differences=comparison.differences[:MOST_DIFFERENCES],
            more_differences=max(0, len(comparison.differences) - MOST_DIFFERENCES),
            same=comparison.same,
            usual=_usual,
            remedy_title=POD_REMEDY_TITLE,
            remedy_place=where_it_belongs(remedies),
            remedies=remedies,
            security_context=security_context,
            kubelet_flag=kubelet_flag,
            plans=[_plan(plan) for plan in plans],
            runs=[run_view(run) for run in runs],
            proofs=[proof_view(proof) for proof in proofs],
            fix_words=FIX_WORDS,
            columns=COLUMNS,
            trend=lines(trend),
            points=trend,
        )
    )


def _host_words(audit: Audit) -> list[tuple[str, str, int]]:
    """Hosts by status: the status, what follows the number, the number."""
    return [(status, HOST_COUNT_WORDS[status], count) for status, count in host_counts(audit).items()]


def _outcomes(control: ControlVerdicts) -> dict[str, Any]:
    told = control.verdicts[:MOST_OUTCOMES]
    rest = control.verdicts[MOST_OUTCOMES:]
    return {
        "told": [(verdict, [*_settings(verdict)]) for verdict in told],
        "rest": len(rest),
        "rest_hosts": sum(len(verdict.hosts) for verdict in rest),
        "pods": pod_remedy(control),
    }


def _settings(verdict: Verdict) -> Iterator[dict[str, Any]]:
    for position, state in enumerate(verdict.settings):
        yield {"key": state.key, "states": states(state), "notes": [*notes(verdict, position)]}


def _hosts(names: Sequence[str], everyone: Sequence[str]) -> str:
    """Which hosts are meant; of a list that nobody would read to its end its beginning, and how many there are."""
    text = name_hosts(names, everyone)
    if len(text) <= LONGEST_LIST:
        return text
    return f"{count_hosts(len(names))}: {text[:LONGEST_LIST].rpartition(', ')[0]}, …"


def _usual(difference: Difference) -> bool:
    """Whether the last group is that of most hosts, so that the others are the exception."""
    last = len(difference.groups[-1].hosts)
    return last > difference.outliers


def _plan(plan: Plan) -> dict[str, Any]:
    everyone = planned_hosts(plan)
    found = changes(plan)
    return {
        "plan": plan,
        "changes": [(each.part, _hosts(each.hosts, everyone)) for each in found[:MOST_DIFFS]],
        "more": max(0, len(found) - MOST_DIFFS),
        "refusals": refusals(plan),
        "risks": risks(plan),
        "remedies": [(each.part, _hosts(each.hosts, everyone)) for each in shared(plan, lambda node: node.remedies)],
    }
