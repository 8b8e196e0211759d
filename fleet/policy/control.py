"""Controls as the engine uses them: expressions compiled, references checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from fleet.document import Document, Location
from fleet.model.finding import Impact, Scope
from fleet.model.rollout import Rollout
from fleet.policy.expression import Expression
from fleet.policy.on_node import OnNode
from fleet.policy.predicate import Operand, Predicate
from fleet.policy.selection import Selection

SettingKind = Literal["sysctl", "ipvs", "fact", "module", "file", "drop_in"]
State = Literal["live", "boot", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a control is about.

    Attributes:
        target: the key in dots, the timeout as in ``ipvs.tcp_timeout``, the fact's dotted path, the module's name, the
            file's absolute path, or of a drop-in the unit without ``.service``.
        fact: the compiled path, for facts only.
    """

    kind: SettingKind
    target: str
    fact: Expression | None = None

    @property
    def key(self) -> str | None:
        """What has a value now and one after the next boot: a sysctl key, or a timeout of IPVS; None for the others."""
        return self.target if self.kind in {"sysctl", "ipvs"} else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control of a profile or of a playbook.

    Attributes:
        when: where this is false the control is skipped, with ``skip_reason``.
        expect: violated, the finding fails.
        prefer: violated, the finding warns.
        set: what a change would write; None where the control only looks.
        lowest, highest: the control's own bounds for what it writes, besides those of the catalogue; None for none.
        scope: how far a key reaches; None for settings that are none.
        state: of a key, which of its states must be as expected; ``live`` for other settings.
        because: what explains a finding.
        profile: the profile's name; empty for a control of the playbook itself.
    """

    id: str
    title: str
    impact: Impact
    setting: Setting
    when: Expression | None
    skip_reason: str
    expect: Predicate
    prefer: Predicate | None
    set: Operand
    lowest: Operand
    highest: Operand
    scope: Scope | None
    state: State
    because: Expression | None
    why: str
    sources: tuple[str, ...]
    profile: str

    def __hash__(self) -> int:
        """Controls are looked up by the dozen for each node; two with one id are seldom in one process."""
        return hash(self.id)

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression whose value an audit or a plan needs."""
        written = self.set if isinstance(self.set, tuple) else (self.set,)
        single = (self.when, self.setting.fact, self.because, *written, self.lowest, self.highest)
        preferred = self.prefer.expressions if self.prefer else ()
        own = tuple(expression for expression in single if isinstance(expression, Expression))
        return (*own, *self.expect.expressions, *preferred)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlException:
    """A control that need not hold on some hosts for a while.

    Attributes:
        hosts: where it need not hold.
        owner: who answers for it.
        expires: the last day on which it counts.
        location: where it stands in the playbook.
    """

    control: str
    hosts: Selection
    reason: str
    owner: str
    expires: date
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A playbook with everything it refers to.

    Attributes:
        hosts: which hosts it is for.
        controls: in the order of its profiles, its own last.
        variables: defaults of the profiles with the playbook's values over them.
        document: the playbook's file, for refusals that need the inventory.
        rollout: how changes are brought onto the hosts.
        on_node: how the nodes check themselves; None where they do not.
        digest: over the bytes of the playbook and its profiles, such as ``sha256:…``.
    """

    name: str
    hosts: Selection
    controls: tuple[Control, ...]
    variables: Mapping[str, object]
    exceptions: tuple[ControlException, ...]
    document: Document
    rollout: Rollout
    on_node: OnNode | None
    digest: str
