"""One node as controls see it: what each of them reads of it, and nothing that it does not ask for."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from fleet.kernel.outlook import Outlook
from fleet.model.facts import NodeFacts, Unavailable
from fleet.policy.context import has_module
from fleet.policy.control import Control
from fleet.policy.expression import Expression, ExpressionError, FactUnavailableError, Value
from fleet.policy.memo import Memo

Reads = tuple[tuple[str, str | None], ...]

_PLAIN = (str, int, float, bool, type(None), Unavailable)
_CONDITIONS: Memo[tuple[Expression, Hashable], Value] = Memo(1024)


class UnknownReadingError(Exception):
    """What an expression reads is not known before it runs, or is no plain data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """What the controls of one node are held against.

    Attributes:
        context: by the names of `fleet.policy.names`.
    """

    facts: NodeFacts
    context: Mapping[str, object]
    outlook: Outlook
    _conditions: dict[Expression, Value] = field(default_factory=dict)
    _read: dict[tuple[str, str | None], Hashable] = field(default_factory=dict)

    def meets(self, condition: Expression | None) -> bool:
        """Whether a condition holds, which many controls share.

        Raises:
            ExpressionError, FactUnavailableError: as `Expression.evaluate`.
        """
        if condition is None:
            return True
        if condition not in self._conditions:
            self._conditions[condition] = self._evaluated(condition)
        return bool(self._conditions[condition])

    def reading(self, control: Control) -> Hashable:
        """All of the node that decides about a control whose condition holds; equal readings, equal conclusions.

        Raises:
            UnknownReadingError: it cannot be told beforehand.
        """
        setting = control.setting
        subject: Hashable
        match setting.kind:
            case "sysctl":
                subject = self.facts.sysctls.get(setting.target)
            case "ipvs":
                subject = self.facts.ipvs.timeouts
            case "module":
                subject = has_module(self.facts, setting.target)
            case "file":
                subject = self.facts.files.get(setting.target), self.facts.identity.uid
            case "fact":
                subject = None  # an expression, which is read below
            case "drop_in":
                raise UnknownReadingError
        outlook = self.outlook.keys[setting.target] if control.state != "live" else None
        return subject, outlook, self._fields(_reads(control))

    def _evaluated(self, condition: Expression) -> Value:
        try:
            key = (condition, self._fields(condition.reads))
        except UnknownReadingError:
            return condition.evaluate(self.context)
        return _CONDITIONS.get(key, lambda: condition.evaluate(self.context))

    def _fields(self, reads: Reads) -> Hashable:
        for each in reads:
            if each not in self._read:
                self._read[each] = self._frozen(*each)
        return tuple([self._read[each] for each in reads])

    def _frozen(self, name: str, member: str | None) -> Hashable:
        whole = self.context.get(name)
        if member is None or not isinstance(whole, Mapping):
            return frozen(whole)
        try:
            return frozen(whole[member]) if member in whole else None
        except (ArithmeticError, LookupError, TypeError, ValueError, ExpressionError, FactUnavailableError):
            # What is wrong with it is for the expression to say.
            raise UnknownReadingError from None


@lru_cache(maxsize=1024)
def _reads(control: Control) -> Reads:
    """What the expressions of a control read once its condition holds."""
    used = (expression.reads for expression in control.expressions if expression is not control.when)
    return tuple(dict.fromkeys(read for reads in used for read in reads))


def frozen(value: object) -> Hashable:
    """Data under which something can be looked up; 1, 1.0 and true are three values.

    Raises:
        UnknownReadingError: it is no plain data.
    """
    if isinstance(value, _PLAIN):
        return type(value), value
    if isinstance(value, list | tuple):
        return list, tuple(frozen(member) for member in value)
    if isinstance(value, dict):
        return dict, tuple((name, frozen(member)) for name, member in value.items())
    raise UnknownReadingError
