"""Changes as a reviewer reads them: before, after, and the difference."""

import base64
import difflib
from collections.abc import Iterator, Sequence

from fleet.kernel.boot.acceptance import BUCKETS
from fleet.kernel.keys_ipvs import IPVS_NAMES
from fleet.model.facts import NodeFacts, NodeFile
from fleet.plan.common import KEPT
from fleet.plan.decide import Goal
from fleet.plan.draft import Draft
from fleet.plan.model import Change, Encoding
from fleet.plan.risks import RESERVED_PORTS
from fleet.render import ModuleLine, RenderedFile

# The larger hash table before the limit that fills it; ports are set aside before a range may offer them.
_FIRST = (BUCKETS, RESERVED_PORTS)


def file_changes(made: Draft, facts: NodeFacts, goals: Sequence[Goal]) -> Iterator[Change]:
    """Files in the order in which they are written, those that go away last."""
    for file in made.files:
        yield _written(file, facts.files.get(file.path), goals)
    for path in made.removed:
        before, encoding = _text(facts.files[path].content or b"")
        yield Change(
            kind="file",
            target=path,
            before=before,
            after=None,
            encoding=encoding,
            diff=_diff(path, before, None),
            reason="another file has its lines now, under a name that wins",
            controls=(),
        )


def module_change(line: ModuleLine) -> Change:
    """Load a module now."""
    return Change(
        kind="module",
        target=line.module,
        before="not loaded",
        after="loaded",
        diff="not loaded -> loaded",
        reason=line.why,
        controls=(line.control,),
    )


def live_changes(goals: Sequence[Goal], facts: NodeFacts) -> Iterator[Change]:
    """Live values in the order in which they are written."""
    for goal in sorted(goals, key=lambda goal: goal.key not in _FIRST):
        if goal.live and goal.key not in IPVS_NAMES:
            value = facts.sysctls[goal.key].value
            before = value if isinstance(value, str) else None
            yield Change(
                kind="sysctl",
                target=goal.key,
                before=before,
                after=goal.value,
                diff=f"{'not known' if before is None else before} -> {goal.value}",
                reason=goal.reason,
                controls=goal.controls,
            )


def _written(file: RenderedFile, present: NodeFile | None, goals: Sequence[Goal]) -> Change:
    before: str | None = None
    encoding: Encoding = "utf-8"
    if present is not None and present.content is not None:
        before, encoding = _text(present.content)
    after = file.content.decode() if encoding == "utf-8" else base64.b64encode(file.content).decode()
    controls = tuple(control for control in file.controls if control != KEPT)
    reasons = dict.fromkeys(f"{goal.key} {goal.reason}" for goal in goals if goal.boot and goal.controls[0] in controls)
    return Change(
        kind="file",
        target=file.path,
        before=before,
        after=after,
        encoding=encoding,
        diff=_diff(file.path, before, after),
        reason="; ".join(reasons) or (f"for {', '.join(controls)}" if controls else "the node checks itself with it"),
        mode=file.mode,
        controls=controls,
    )


def _text(content: bytes) -> tuple[str, Encoding]:
    try:
        return content.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(content).decode(), "base64"


def _diff(path: str, before: str | None, after: str | None) -> str:
    old = "/dev/null" if before is None else f"a{path}"
    new = "/dev/null" if after is None else f"b{path}"
    lines = difflib.unified_diff((before or "").splitlines(), (after or "").splitlines(), old, new, lineterm="")
    return "\n".join(lines)
