"""Controls as written to controls as used: expressions compiled, and everything checked that needs no node."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from fleet.document import Document, Location, did_you_mean
from fleet.facts.request import ProbeRequest, key_in_dots, probe_arguments
from fleet.kernel.catalogue import KEYS, known_key
from fleet.kernel.key import Kind
from fleet.kernel.portset import PortSet
from fleet.kernel.values import bounded_numbers, normalise
from fleet.model.finding import Scope
from fleet.policy.control import Control, Setting, SettingKind, State
from fleet.policy.expression import Expression, ExpressionError, Value, compile_expression, embedded_expression
from fleet.policy.names import FIELDS, SIZING_VARIABLES
from fleet.policy.predicate import Operand, Predicate, PredicateError, Term, TermName, plain
from fleet.policy.profile import ControlDocument, PredicateDocument

_TERMS: dict[SettingKind, tuple[TermName, ...]] = {
    "sysctl": ("equals", "at_least", "at_most", "one_of", "covers", "avoids"),
    "ipvs": ("equals", "at_least", "at_most", "one_of"),
    "fact": ("equals", "at_least", "at_most", "one_of", "covers", "avoids", "empty"),
    "module": ("loaded",),
    "file": ("exists", "content"),
    "drop_in": ("exists",),
}
_SETTINGS = ", ".join(_TERMS)
_ORDERED = frozenset({"at_least", "at_most"})
_OF_PORTS = frozenset({"covers", "avoids"})
_FACT = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")
_MODULE = re.compile(r"[A-Za-z0-9_-]+")
_ANY_NONCE = "0" * 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """Compiles the controls of one file.

    Attributes:
        document: the file they stand in.
        profile: its profile's name; empty for a playbook.
        variables: names that ``vars`` has.
    """

    document: Document
    profile: str
    variables: Collection[str]

    def control(self, source: ControlDocument, location: Location) -> Control:
        """Compile the control at a location.

        Raises:
            DocumentError: at the value that is wrong.
        """
        setting = self._setting(source, (*location, "setting"))
        expect = self._predicate(source.expect, (*location, "expect"), setting)
        prefer = self._predicate(source.prefer, (*location, "prefer"), setting) if source.prefer else None
        if (source.when is None) != (source.skip_reason is None):
            raise self.document.error("'when' and 'skip_reason' go together", location)
        control = Control(
            id=source.id,
            title=source.title,
            impact=source.impact,
            setting=setting,
            when=self._expression(source.when, (*location, "when")) if source.when is not None else None,
            skip_reason=source.skip_reason or "",
            expect=expect,
            prefer=prefer,
            set=self._operand(source.set_, (*location, "set")),
            lowest=self._operand(source.bounds.at_least, (*location, "bounds", "at_least")) if source.bounds else None,
            highest=self._operand(source.bounds.at_most, (*location, "bounds", "at_most")) if source.bounds else None,
            scope=self._scope(source.scope, setting, location),
            state=self._state(source.state, setting, location),
            because=self._expression(source.because, (*location, "because")) if source.because else None,
            why=source.why,
            sources=source.sources,
            profile=self.profile,
        )
        self._check_set(control, source, location)
        return control

    def _setting(self, source: ControlDocument, location: Location) -> Setting:
        given = list(source.setting.model_dump(exclude_none=True).items())
        if len(given) != 1:
            raise self.document.error(f"name exactly one of {_SETTINGS}", location)
        kind, target = given[0]
        at = (*location, kind)
        match kind:
            case "sysctl":
                self._check_request(ProbeRequest(keys=(target,)), at, f"'{target}' is not the name of a sysctl key")
                return Setting(kind="sysctl", target=key_in_dots(target))
            case "file":
                request = ProbeRequest(keys=(), files=(target,))
                self._check_request(request, at, f"'{target}' is not an absolute path of plain characters")
                return Setting(kind="file", target=target)
            case "ipvs":
                return Setting(kind="ipvs", target=f"ipvs.{target}")
            case "drop_in":
                return Setting(kind="drop_in", target=target)
            case "module":
                if not _MODULE.fullmatch(target):
                    raise self.document.error(f"'{target}' is not the name of a module", at)
                return Setting(kind="module", target=target.replace("-", "_"))
            case _:
                if not _FACT.fullmatch(target):
                    hint = f"write one such as conntrack.count; there are: {', '.join(FIELDS)}"
                    raise self.document.error(f"'{target}' is not the path of a fact", at, hint=hint)
                return Setting(kind="fact", target=target, fact=self._expression(target, at))

    def _check_request(self, request: ProbeRequest, location: Location, message: str) -> None:
        try:
            probe_arguments(_ANY_NONCE, request)
        except ValueError:
            raise self.document.error(message, location) from None

    def _scope(self, written: Scope | None, setting: Setting, location: Location) -> Scope | None:
        key = known_key(setting.key) if setting.key is not None else None
        if setting.kind == "ipvs" and written is None and key is not None:
            return key.scope
        if setting.kind != "sysctl":
            if written is not None:
                raise self.document.error("only sysctl keys have a scope", (*location, "scope"), at_key=True)
            return None
        if key is not None:
            if written is not None and written != key.scope:
                message = f"the catalogue has the scope '{key.scope}' for {key.name}"
                raise self.document.error(message, (*location, "scope"), hint="leave the scope out")
            return key.scope
        if written is None:
            hint = did_you_mean(setting.target, KEYS) or "add scope: host, host-namespace or namespace"
            message = f"the catalogue does not have {setting.target}, so the control must give its scope"
            raise self.document.error(message, (*location, "setting", "sysctl"), hint=hint)
        return written

    def _state(self, written: State | None, setting: Setting, location: Location) -> State:
        if setting.key is not None:
            return written or "both"
        if written is not None:
            message = "only sysctl keys and ipvs have a state after the next boot"
            raise self.document.error(message, (*location, "state"), at_key=True)
        return "live"

    def _predicate(self, source: PredicateDocument, location: Location, setting: Setting) -> Predicate:
        terms: list[Term] = []
        for name in _TERM_NAMES:
            value = getattr(source, name)
            if value is None:
                continue
            at = (*location, name)
            if name not in _TERMS[setting.kind]:
                hint = f"there are: {', '.join(_TERMS[setting.kind])}"
                raise self.document.error(f"'{name}' does not go with a {setting.kind}", at, at_key=True, hint=hint)
            operand = self._operand(value, at)
            self._check_operand(name, operand, setting, at)
            if setting.kind == "drop_in" and operand is not True:
                raise self.document.error("a drop-in can only be expected to exist", at, hint="write exists: true")
            terms.append(Term(name, operand))
        if not terms:
            hint = f"there are: {', '.join(_TERMS[setting.kind])}"
            raise self.document.error(f"{location[-1]} has no condition", location, hint=hint)
        return Predicate(tuple(terms))

    def _operand(self, value: object, location: Location) -> Operand:
        if isinstance(value, tuple):
            return tuple(self._single(member, (*location, index)) for index, member in enumerate(value))
        return self._single(value, location)

    def _single(self, value: object, location: Location) -> Value | Expression:
        if not isinstance(value, str):
            return value  # type: ignore[return-value]  # the models let only scalars pass
        try:
            source = embedded_expression(value)
        except ExpressionError as error:
            raise self.document.error(str(error), location) from None
        return value if source is None else self._expression(source, location)

    def _expression(self, source: str, location: Location) -> Expression:
        try:
            expression = compile_expression(source)
        except ExpressionError as error:
            raise self.document.error(str(error), location) from None
        for name in sorted(expression.names - FIELDS.keys()):
            hint = did_you_mean(name, FIELDS) or f"there are: {', '.join(FIELDS)}"
            raise self.document.error(f"unknown name '{name}' in an expression", location, hint=hint)
        for name, field in sorted(expression.fields):
            fields = self.variables if name == "vars" else FIELDS.get(name)
            if fields is not None and field not in fields:
                hint = did_you_mean(field, fields) or f"{name} has: {', '.join(sorted(fields)) or 'nothing'}"
                raise self.document.error(f"unknown name '{name}.{field}' in an expression", location, hint=hint)
            if name == "sysctl":
                self._check_request(ProbeRequest(keys=(field,)), location, f"'{field}' is not the name of a sysctl key")
        if "sizing" in expression.names and not set(SIZING_VARIABLES) <= set(self.variables):
            message = f"'sizing' needs the variables {' and '.join(SIZING_VARIABLES)}"
            raise self.document.error(message, location, hint="use the profile conntrack too, or declare them")
        return expression

    def _check_operand(self, name: TermName, operand: Operand, setting: Setting, location: Location) -> None:
        members = operand if isinstance(operand, tuple) else (operand,)
        key = known_key(setting.key) if setting.key is not None else None
        of_ports = key is not None and key.kind in {Kind.PORT_LIST, Kind.PORT_RANGE}
        if setting.key is not None and ((name in _OF_PORTS and not of_ports) or (name in _ORDERED and of_ports)):
            message = f"'{name}' does not go with {setting.target}, which {_holds(key.kind if key else None)}"
            raise self.document.error(message, location, at_key=True)
        for member in members:
            if isinstance(member, Expression):
                continue
            try:
                if name in _OF_PORTS:
                    PortSet.parse(str(member))
                elif setting.key is not None and name not in _ORDERED:
                    _check_value(setting.target, member)
            except ValueError as error:
                raise self.document.error(str(error), location) from None

    def _check_set(self, control: Control, source: ControlDocument, location: Location) -> None:
        key = known_key(control.setting.target) if control.setting.key is not None else None
        lowest, highest = self._limits(source, control, location)
        value = control.set
        if value is None or isinstance(value, Expression | tuple) or control.setting.key is None:
            return
        at = (*location, "set")
        try:
            _check_value(control.setting.target, value)
            numbers = bounded_numbers(control.setting.target, str(value))
        except ValueError as error:
            raise self.document.error(str(error), at) from None
        source_of = f" ({key.bounds.source})" if key is not None and key.bounds else ""
        if numbers and not (lowest <= min(numbers) and max(numbers) <= highest):
            raise self.document.error(f"{plain(value)} is out of bounds: {lowest:g} to {highest:g}{source_of}", at)
        if not control.expect.expressions:
            try:
                violation = control.expect.check(plain(value), key=control.setting.target)
            except PredicateError as error:
                violation = str(error)
            if violation:
                raise self.document.error(f"what 'set' writes would not satisfy 'expect': {violation}", at)

    def _limits(self, source: ControlDocument, control: Control, location: Location) -> tuple[float, float]:
        key = known_key(control.setting.target) if control.setting.key is not None else None
        lowest, highest = float("-inf"), float("inf")
        if key is not None and key.bounds is not None:
            lowest, highest = key.bounds.at_least, key.bounds.at_most
        if source.bounds is None:
            return lowest, highest
        for name, written in (("at_least", source.bounds.at_least), ("at_most", source.bounds.at_most)):
            at = (*location, "bounds", name)
            number = self._operand(written, at)
            if not isinstance(number, int | float):
                continue
            if not lowest <= number <= highest:
                message = f"{number} is wider than the catalogue's bounds: {lowest:g} to {highest:g}"
                raise self.document.error(message, at)
            lowest, highest = (number, highest) if name == "at_least" else (lowest, number)
        return lowest, highest


_TERM_NAMES: tuple[TermName, ...] = tuple(dict.fromkeys(name for names in _TERMS.values() for name in names))


def _holds(kind: Kind | None) -> str:
    return f"holds a {kind}" if kind is not None else "the catalogue does not have"


def _check_value(key: str, value: object) -> None:
    if isinstance(value, bool):
        raise ValueError(f"{plain(value)} is no value of {key}: write 1 or 0")  # noqa: TRY004  # as normalise does
    normalise(key, str(value))
