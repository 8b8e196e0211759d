"""What the page's script needs to know of each host: every text and every outcome once, hosts as numbers of them."""

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from fleet.model.finding import Finding, HostAudit, NodeSummary, Protection, SettingState, WriterState
from fleet.model.pods import PodRemedy
from fleet.model.rollout import ChangeResult, RunResult
from fleet.model.text import printable
from fleet.report.explain import states
from fleet.report.layout import LONGEST_VALUE
from fleet.report.marks import FINDING_MARKS
from fleet.report.page.grid import Grid
from fleet.report.pod_remedy import kubelet_flag, security_context
from fleet.report.run_words import node_words
from fleet.report.status import NOTEWORTHY
from fleet.report.words import MOMENTS

Row = TypeVar("Row", bound=Hashable)


class _Table(Generic[Row]):
    """Things by number, each once."""

    def __init__(self) -> None:
        self._numbers: dict[Row, int] = {}

    def number(self, row: Row) -> int:
        return self._numbers.setdefault(row, len(self._numbers))

    def numbers(self, rows: Iterable[Row]) -> tuple[int, ...]:
        return tuple(map(self.number, rows))

    def told(self, tell: Callable[[Row], object]) -> list[object]:
        return [tell(row) for row in self._numbers]


class _Data:
    def __init__(self, grid: Grid, runs: Sequence[RunResult]) -> None:
        self._grid = grid
        self._runs = runs
        self._controls = {control.id: number for number, control in enumerate(grid.controls)}
        self._texts: _Table[str] = _Table()
        self._findings: _Table[Finding] = _Table()
        self._states: _Table[SettingState] = _Table()
        self._writers: _Table[WriterState] = _Table()
        self._lists: _Table[tuple[int, ...]] = _Table()
        self._nodes: _Table[tuple[str, ...]] = _Table()
        self._protections: _Table[tuple[Protection, ...]] = _Table()
        self._remedies: _Table[PodRemedy] = _Table()
        self._changes: _Table[ChangeResult] = _Table()

    def document(self) -> dict[str, Any]:
        # In this order: what is told later may name what is told before it, and the texts come last.
        hosts = [self._host(host) for host in self._grid.hosts]
        states_told = self._states.told(self._state)
        return {
            "marks": {status: mark for status, (mark, _) in FINDING_MARKS.items()},
            "noteworthy": sorted(NOTEWORTHY),
            "moments": [*MOMENTS.values()],
            "controls": [
                [self._text(control.id), self._text(control.title), control.impact, control.is_noteworthy]
                for control in self._grid.controls
            ],
            "runs": [[self._text(run.run_id), run.kind] for run in self._runs],
            "hosts": hosts,
            "findings": self._findings.told(self._finding),
            "states": states_told,
            "writers": self._writers.told(self._writer),
            "nodes": self._nodes.told(lambda node: [*map(self._text, node)]),
            "protections": self._protections.told(
                lambda moments: [[self._text(each.status), self._text(each.reason)] for each in moments]
            ),
            "remedies": self._remedies.told(
                lambda remedy: [[*map(self._text, security_context(remedy))], self._text(kubelet_flag(remedy))]
            ),
            "changes": self._changes.told(self._change),
            "lists": self._lists.told(list),
            "texts": self._texts.told(lambda text: printable(text, LONGEST_VALUE)),
        }

    def _host(self, host: HostAudit) -> list[object]:
        """Name, status, error, findings, settings, node, conntrack, protection, remedy for pods, runs."""
        node = host.node
        guards = host.protection
        return [
            self._text(host.name),
            host.status,
            None if host.error is None else self._text(f"{host.error.kind}: {host.error.message}"),
            self._lists.number(self._findings.numbers(host.findings)),
            self._lists.number(self._states.numbers(host.settings)),
            None if node is None else self._nodes.number(_node(node)),
            None if node is None else [node.conntrack_count, node.conntrack_max, node.conntrack_buckets],
            None if guards is None else self._protections.number(tuple(guards[moment] for moment in MOMENTS)),
            None if host.pod_remedy is None else self._remedies.number(host.pod_remedy),
            [*self._host_runs(host.name)],
        ]

    def _host_runs(self, name: str) -> Iterable[list[object]]:
        for number, run in enumerate(self._runs):
            if name in run.hosts:
                host = run.hosts[name]
                yield [
                    number,
                    host.status,
                    self._text(node_words(host, run)),
                    None if host.error is None else self._text(f"{host.error.kind}: {host.error.message}"),
                    self._lists.number(self._changes.numbers(host.changes)),
                    [*map(self._text, host.notes)],
                ]

    def _finding(self, finding: Finding) -> list[object]:
        """Control, status, impact, reason, keys."""
        control = self._controls[finding.control]
        keys = [*map(self._text, finding.settings)]
        return [control, finding.status, finding.impact, self._text(finding.reason), keys]

    def _state(self, state: SettingState) -> list[object]:
        """Key, live, boot, after reboot, expected, scope, deciding line, note, other lines, writers."""
        return [
            self._text(state.key),
            *(self._text(value) for _, value in states(state)),
            state.scope,
            None if state.boot_source is None else self._text(str(state.boot_source)),
            self._text(state.boot_note),
            [self._text(f"{line} ({line.reason})" if line.reason else str(line)) for line in state.overridden],
            self._writers.numbers(state.writers),
        ]

    def _writer(self, writer: WriterState) -> list[object]:
        """Name, when, value, effect, evidence, remedy."""
        value = "not known" if writer.value is None else writer.value
        told = (writer.name, writer.when, value, writer.effect, "; ".join(writer.evidence), writer.remedy)
        return [*map(self._text, told)]

    def _change(self, change: ChangeResult) -> list[object]:
        """Kind, target, status, reason, value that was read back."""
        read_back = None if change.read_back is None else self._text(change.read_back)
        return [self._text(change.kind), self._text(change.target), change.status, self._text(change.reason), read_back]

    def _text(self, text: str) -> int:
        return self._texts.number(text)


def page_data(grid: Grid, runs: Sequence[RunResult]) -> str:
    """The data of the page as JSON that can stand inside a script element of HTML."""
    text = json.dumps(_Data(grid, runs).document(), separators=(",", ":"))
    # A script element ends at </script> and changes its meaning at <!--, whatever its type.
    return text.replace("<", "\\u003c").replace("\x7f", "\\u007f")


def _node(node: NodeSummary) -> tuple[str, ...]:
    """The node in pieces that stand side by side."""
    kubernetes = {None: "Kubernetes not known", "none": "no Kubernetes"}.get(node.kubernetes, node.kubernetes)
    proxy = "no kube-proxy" if node.proxy_mode == "none" else f"kube-proxy {node.proxy_mode} {node.proxy_release}"
    memory = f"{node.ram_bytes / 2**30:.0f} GiB"
    return (node.kernel, node.system or "unknown system", f"{node.cores} cores", memory, str(kubernetes), proxy)
