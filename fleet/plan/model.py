"""What is to be changed on each node, why, and on what that rests."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fleet.model.facts import NodeFileKind
from fleet.model.finding import Failure, Moment
from fleet.model.rollout import Rollout

ChangeKind = Literal["file", "module", "sysctl", "unit"]
Encoding = Literal["utf-8", "base64"]
KeptReason = Literal["noop", "owned", "scope", "skipped", "no-set", "unjudged"]
PlanStatus = Literal["changes", "none", "refused", "failed", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to change on a node.

    Attributes:
        target: the file's path, the module's name, the key in dots, or the unit with ``.service``.
        before: content or value now; None where there is nothing yet. Of a unit ``not enabled`` or ``running``.
        after: content or value then; None where a file goes away. Of a unit ``enabled``, which also starts it, or
            ``restarted``.
        encoding: how ``before`` and ``after`` are written.
        diff: unified, for files; ``before -> after`` for the others.
        mode: permission bits of a file that is written.
        controls: ids of the controls that ask for it.
    """

    kind: ChangeKind
    target: str
    before: str | None
    after: str | None
    encoding: Encoding = "utf-8"
    diff: str
    reason: str
    mode: int | None = None
    controls: tuple[str, ...]

    @property
    def bytes_before(self) -> bytes | None:
        """What is in a file now; None where there is nothing yet."""
        return self._bytes(self.before)

    @property
    def bytes_after(self) -> bytes | None:
        """What is in a file then; None where it goes away."""
        return self._bytes(self.after)

    def _bytes(self, text: str | None) -> bytes | None:
        if text is None:
            return None
        return base64.b64decode(text) if self.encoding == "base64" else text.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something that is not changed.

    Attributes:
        why: ``noop``: it is so already; ``owned``: something else writes it; ``scope``: the node's value does not reach
            it; ``skipped``: the control does not apply, or was not checked; ``no-set``: the control only looks;
            ``unjudged``: the checker on the node cannot judge it.
    """

    target: str
    control: str
    why: KeptReason
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Something that should change and is not planned, because it cannot be done safely or would not last."""

    target: str
    controls: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Something to change in the cluster and not on the node, such as in a ConfigMap; fleet does not do it.

    Attributes:
        writer: what would undo a change on the node.
        text: what to do, in words.
        patch: text to merge into the writer's configuration.
    """

    target: str
    writer: str
    text: str
    patch: str
    controls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """How a file was when the plan was made.

    Attributes:
        sha256: of its content, in hexadecimal; None where there is none, or where it was not read.
        link: where a link leads.
        masked: the hash is over the content with secrets masked, as the probe gives it.
    """

    kind: NodeFileKind | Literal["absent"]
    sha256: str | None = None
    link: str | None = None
    masked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preconditions:
    """What must still be so when a plan is applied.

    Attributes:
        boot_id: None where it could not be read.
        files: by absolute path: those that are written, those that decide what the next boot leaves, and those of the
            units that are changed.
        live: values of the sysctl keys that are changed.
        writers: what else writes these keys, one sentence each.
        protected: when INVALID segments could not reset connections anyway, so that no way back leaves less than that.
    """

    boot_id: str | None
    files: Mapping[str, FileState]
    live: Mapping[str, str | None]
    writers: tuple[str, ...]
    protected: tuple[Moment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """The plan of one node; the changes are in the order in which they are to be made.

    Attributes:
        next_boot: what the next boot leaves once the changes are made, by sysctl key, as far as that is proved.
    """

    changes: tuple[Change, ...]
    kept: tuple[Kept, ...]
    refused: tuple[Refused, ...]
    remedies: tuple[Remedy, ...]
    risks: tuple[str, ...]
    preconditions: Preconditions | None
    next_boot: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """One host of a plan; ``plan`` is None where ``error`` says why the host could not be read."""

    name: str
    error: Failure | None = None
    plan: NodePlan | None = None

    @property
    def status(self) -> PlanStatus:
        """What the host comes to: a refusal outweighs changes, and a remedy counts as a pending change."""
        if self.plan is None:
            return "unreachable" if self.error is not None and self.error.kind == "unreachable" else "failed"
        if self.plan.refused:
            return "refused"
        return "changes" if self.plan.changes or self.plan.remedies else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One plan over all selected hosts.

    Attributes:
        created: ISO 8601 in UTC.
        playbook: the path as given by the operator.
        playbook_digest: over the bytes of the playbook and its profiles.
        rollout: how it is to be brought onto the hosts.
        hosts: by inventory name, in the inventory's order.
    """

    run_id: str
    created: str
    playbook: str
    playbook_digest: str
    version: str
    rollout: Rollout
    hosts: Mapping[str, HostPlan]
