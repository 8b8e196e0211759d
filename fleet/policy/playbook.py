"""Playbooks: which profiles hold on which hosts, with which numbers and exceptions, and how they get there."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import pydantic

from fleet.document import Document, Items, Location, StrictModel, did_you_mean, load_mapping, validate
from fleet.model.errors import DocumentError
from fleet.policy.compiling import Compiler
from fleet.policy.control import Control, ControlException, Policy
from fleet.policy.host import HostView
from fleet.policy.on_node import OnNodeDocument
from fleet.policy.profile import ControlDocument, Name, ProfileDocument, Scalar, Text, VariableDocument, VariableName
from fleet.policy.profile_source import find_profile
from fleet.policy.rollout import RolloutDocument, load_rollout
from fleet.policy.selection import Selection, SelectionError, check_atoms, parse_selection

_DATE = re.compile(r"\d{4}-\d\d-\d\d")

LoadedProfile = tuple[Document, ProfileDocument]


def _date(value: object) -> object:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("must be a date such as 2027-03-01")


class ExceptionDocument(StrictModel):
    """A control that need not hold on some hosts, until a day; after that day its findings stand again."""

    control: Name
    hosts: Text
    reason: Text
    owner: Text
    expires: Annotated[date, pydantic.BeforeValidator(_date)]


class PlaybookDocument(StrictModel):
    """What should hold on which hosts.

    Attributes:
        hosts: a selection, such as ``k3s and not maintenance``.
        profiles: names, or paths that end with ``.yaml``.
        vars: values for what the profiles leave to the playbook.
        controls: controls of its own, written as in a profile.
        rollout: how changes are brought onto the hosts.
        on_node: whether the nodes check themselves.
    """

    name: Text
    hosts: Text = "all"
    profiles: Items[Text] = ()
    vars: Annotated[dict[VariableName, Scalar], pydantic.Field(default_factory=dict)]
    exceptions: Items[ExceptionDocument] = ()
    controls: Items[ControlDocument] = ()
    rollout: RolloutDocument = RolloutDocument()
    on_node: OnNodeDocument | None = None


def load_playbook(path: Path | str) -> Policy:
    """Load a playbook with its profiles and check all that needs neither a node nor the inventory.

    Raises:
        DocumentError: at the place of the mistake, in whichever file it stands.
    """
    document = load_mapping(path)
    playbook = validate(document, PlaybookDocument)
    profiles = tuple(_profiles(document, playbook))
    declared = _declared(profiles)
    variables = _variables(document, playbook, declared)
    controls = tuple(_controls(document, playbook, profiles, variables))
    if not controls:
        raise document.error("the playbook has no controls", hint="name profiles, such as profiles: [conntrack]")
    return Policy(
        name=playbook.name,
        hosts=_selection(document, ("hosts",), playbook.hosts),
        controls=controls,
        variables=variables,
        exceptions=tuple(_exceptions(document, playbook, {control.id for control in controls})),
        document=document,
        rollout=load_rollout(document, playbook.rollout),
        on_node=playbook.on_node.load() if playbook.on_node is not None else None,
        digest=_digest(document, *(home for home, _ in profiles)),
    )


def check_hosts(policy: Policy, hosts: Sequence[HostView], groups: Iterable[str] = ()) -> None:
    """Make sure that the inventory has every name that a playbook's selections use.

    Args:
        policy: a loaded playbook.
        hosts: the whole inventory.
        groups: groups that the inventory declares.

    Raises:
        DocumentError: at the selection in the playbook.
    """
    known = tuple(groups)
    selections = [(policy.hosts, ("hosts",)), *((each.hosts, each.location) for each in policy.exceptions)]
    for selection, location in selections:
        try:
            check_atoms(selection, hosts, known)
        except SelectionError as error:
            raise _misselected(policy.document, location, error) from None


def load_profile_controls(document: Document, profile: ProfileDocument) -> tuple[Control, ...]:
    """Compile the controls of one profile that stands alone, as its documentation and tests need them.

    Raises:
        DocumentError: at the place of the mistake.
    """
    compiler = Compiler(document=document, profile=profile.profile, variables=frozenset(profile.vars))
    _declared(((document, profile),))
    return tuple(compiler.control(source, ("controls", index)) for index, source in enumerate(profile.controls))


def _digest(*documents: Document) -> str:
    whole = hashlib.sha256("".join(document.sha256 for document in documents).encode())
    return f"sha256:{whole.hexdigest()}"


def _profiles(document: Document, playbook: PlaybookDocument) -> Iterator[LoadedProfile]:
    seen: set[str] = set()
    for index, name in enumerate(playbook.profiles):
        loaded = find_profile(document, ("profiles", index), name)
        if loaded[1].profile in seen:
            raise document.error(f"profile '{loaded[1].profile}' is named twice", ("profiles", index))
        seen.add(loaded[1].profile)
        yield loaded


def _declared(profiles: tuple[LoadedProfile, ...]) -> Mapping[str, VariableDocument]:
    declared: dict[str, VariableDocument] = {}
    for document, profile in profiles:
        for name, variable in profile.vars.items():
            at = ("vars", name)
            if name in declared and declared[name] != variable:
                raise document.error(f"variable '{name}' is declared otherwise by another profile", at, at_key=True)
            if problem := _problem(variable, variable.default):
                raise document.error(f"the default of '{name}' {problem}", (*at, "default"))
            declared[name] = variable
    return declared


def _variables(
    document: Document, playbook: PlaybookDocument, declared: Mapping[str, VariableDocument]
) -> Mapping[str, object]:
    for name, value in playbook.vars.items():
        at = ("vars", name)
        if name not in declared:
            hint = did_you_mean(name, declared) or f"the profiles have: {', '.join(declared) or 'none'}"
            raise document.error(f"unknown variable '{name}'", at, at_key=True, hint=hint)
        if problem := _problem(declared[name], value):
            raise document.error(f"'{name}' {problem}", at, hint=declared[name].why)
    return {name: playbook.vars.get(name, variable.default) for name, variable in declared.items()}


def _problem(variable: VariableDocument, value: object) -> str:
    """Why a variable cannot have a value, to follow its name; empty when it can."""
    if _is_number(variable.default):
        if not isinstance(value, int | float) or not _is_number(value):
            return "must be a number"
        if isinstance(variable.at_least, int | float) and value < variable.at_least:
            return f"is {value}, but must be at least {variable.at_least}"
        if isinstance(variable.at_most, int | float) and value > variable.at_most:
            return f"is {value}, but must be at most {variable.at_most}"
        return ""
    if type(value) is not type(variable.default):
        return "must be true or false" if isinstance(variable.default, bool) else "must be a text"
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _controls(
    document: Document,
    playbook: PlaybookDocument,
    profiles: tuple[LoadedProfile, ...],
    variables: Mapping[str, object],
) -> Iterator[Control]:
    homes: dict[str, str] = {}
    sources = [(home, profile.profile, profile.controls) for home, profile in profiles]
    for home, profile, controls in (*sources, (document, "", playbook.controls)):
        compiler = Compiler(document=home, profile=profile, variables=variables.keys())
        for index, source in enumerate(controls):
            at = ("controls", index)
            if source.id in homes:
                raise home.error(f"control '{source.id}' is already in {homes[source.id]}", (*at, "id"))
            homes[source.id] = home.path
            yield compiler.control(source, at)


def _exceptions(document: Document, playbook: PlaybookDocument, controls: set[str]) -> Iterator[ControlException]:
    for index, source in enumerate(playbook.exceptions):
        at = ("exceptions", index)
        if source.control not in controls:
            hint = did_you_mean(source.control, controls)
            raise document.error(f"unknown control '{source.control}'", (*at, "control"), hint=hint)
        yield ControlException(
            control=source.control,
            hosts=_selection(document, (*at, "hosts"), source.hosts),
            reason=source.reason,
            owner=source.owner,
            expires=source.expires,
            location=(*at, "hosts"),
        )


def _selection(document: Document, location: Location, text: str) -> Selection:
    try:
        return parse_selection(text)
    except SelectionError as error:
        raise _misselected(document, location, error) from None


def _misselected(document: Document, location: Location, error: SelectionError) -> DocumentError:
    message = f"{error.message}, at character {error.column} of the selection"
    return document.error(message, location, hint=error.hint)
