"""The checker among the files and units of a plan."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

from fleet.facts.request import probe_part
from fleet.kernel.unitfile import is_enabled
from fleet.model.facts import NodeFacts
from fleet.model.text import printable
from fleet.plan.checker.checks import Unjudged
from fleet.plan.checker.compiling import compile_checks
from fleet.plan.checker.text import data_text, playbook_name, playbook_of
from fleet.plan.checker.watched import is_configuration
from fleet.plan.common import Context, content, is_managed, is_there
from fleet.plan.draft import Draft
from fleet.plan.model import Change, Kept, Refused
from fleet.policy import HostView, Policy
from fleet.policy.on_node import DATA, SCRIPT, SERVICE_FILE, TIMER, TIMER_FILE, OnNode
from fleet.render import RenderedFile, checker_service, checker_timer

_PARTS = ("frame", "processes", "named_files", "paths")
_PROGRAM = ("values.awk", "verdicts.awk", "report.awk")
_MODE = 0o644
_HEADER = "#!/bin/sh\n# Managed by fleet: change the playbook, not this file.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """What a checker is made for.

    Attributes:
        how: the playbook's section.
        host: the node's host in the inventory.
        today: of the run.
    """

    how: OnNode
    policy: Policy
    host: HostView
    today: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """The checker in the plan of one node.

    Attributes:
        files: those of it that change.
        units: the change that starts it, where anything of it changes.
        kept: what it cannot judge.
        unseen: what it cannot see change.
        refused: why there is none.
    """

    files: tuple[RenderedFile, ...] = ()
    units: tuple[Change, ...] = ()
    kept: tuple[Kept, ...] = ()
    unseen: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()

    @property
    def risks(self) -> tuple[str, ...]:
        """What a reviewer should know."""
        if not self.units:
            return ()
        controls = ", ".join(each.control for each in self.kept)
        left = f"the checker on the node cannot judge {controls}: these need fleet audit or fleet drift"
        return (*([left] if controls else ()), *self.unseen)

    def rests_on(self, facts: NodeFacts) -> frozenset[str]:
        """The files that have to be as they were when it was made."""
        return frozenset(filter(is_configuration, facts.files)) if self.units else frozenset()


def add_checker(made: Draft, facts: NodeFacts, context: Context, checking: Checking) -> Checker:
    """What makes a node check itself, for the configuration that the other files of the plan leave.

    Args:
        made: the other files.
        facts: of the node as it is.
        context: of the plan.
        checking: for whom.
    """
    if problem := _problem(facts, checking.policy):
        return Checker(refused=(Refused(target=TIMER, controls=(), reason=problem),))
    checks = compile_checks(checking.policy, made.after, host=checking.host, today=checking.today)
    data = data_text(checks, checking.policy, textfile_dir=checking.how.textfile_dir)
    wanted = (
        RenderedFile(path=SCRIPT, mode=_MODE, content=checker_script(), controls=()),
        RenderedFile(path=DATA, mode=_MODE, content=data, controls=()),
        *_units(checking.how, context),
    )
    changed = tuple(file for file in wanted if not is_there(facts, file))
    return Checker(
        files=changed,
        units=tuple(_start(facts, is_changed=bool(changed))),
        kept=tuple(_kept(each) for each in checks.unjudged),
        unseen=checks.unseen,
    )


@cache
def checker_script() -> bytes:
    """The script, which is the same on every node."""
    shell = b"".join((*map(probe_part, _PARTS), _own("check.sh")))
    program = _without_comments(b"".join(map(_own, _PROGRAM))).decode("ascii")
    return _HEADER.encode() + f"compare={shlex.quote(program)}\n".encode() + _without_comments(shell)


def _own(name: str) -> bytes:
    return files("fleet.plan.checker").joinpath(name).read_bytes()


def _without_comments(text: bytes) -> bytes:
    return re.sub(rb"(?m)^ *#.*\n", b"", text)


def _units(asked: OnNode, context: Context) -> Iterator[RenderedFile]:
    yield checker_service(
        context.templates,
        path=SERVICE_FILE,
        script=SCRIPT,
        textfile_dir=asked.textfile_dir,
        playbook=context.playbook,
    )
    yield checker_timer(context.templates, path=TIMER_FILE, every=asked.every, playbook=context.playbook)


def _problem(facts: NodeFacts, policy: Policy) -> str:
    if facts.identity.init != "systemd":
        return f"only systemd starts the checker, and process 1 here is {facts.identity.init!r}"
    for path in (SCRIPT, DATA, SERVICE_FILE, TIMER_FILE):
        if path in facts.files and not is_managed(facts.files[path]):
            return f"{path} is a file of somebody else: move it away"
    other = playbook_of(content(facts, DATA) or b"")
    if other is not None and other != playbook_name(policy):
        return f"the node checks itself by another playbook, '{printable(other)}': take its checker away first"
    return ""


def _start(facts: NodeFacts, *, is_changed: bool) -> Iterator[Change]:
    enabled = is_enabled(facts.files, TIMER)
    if enabled and not is_changed:
        return
    before, after = ("running", "restarted") if enabled else ("not enabled", "enabled")
    yield Change(
        kind="unit",
        target=TIMER,
        before=before,
        after=after,
        diff=f"{before} -> {after}",
        reason="the node checks itself",
        controls=(),
    )


def _kept(each: Unjudged) -> Kept:
    reason = f"the checker on the node cannot judge it: {each.reason}"
    return Kept(target=TIMER, control=each.control, why="unjudged", reason=reason)
