"""Profiles as people write them."""

from typing import Annotated, Literal

import pydantic

from fleet.document import Items, StrictModel
from fleet.kernel.services import Service
from fleet.model.finding import Impact, Scope
from fleet.policy.control import State


def _scalar(value: object) -> object:
    if value is None or isinstance(value, dict | list):
        raise ValueError("must be a text, a number, or true or false")
    return value


def _number(value: object) -> object:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004  # pydantic reports this one as a problem of the document
    return value


def _computed_number(value: object) -> object:
    if isinstance(value, str) and value.strip().startswith("{{"):
        return value
    return _number(value)


_EXPRESSION = {"type": "string", "pattern": r"^\s*\{\{.*\}\}\s*$"}

Scalar = Annotated[
    object,
    pydantic.AfterValidator(_scalar),
    pydantic.WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Number = Annotated[object, pydantic.AfterValidator(_number), pydantic.WithJsonSchema({"type": "number"})]
ComputedNumber = Annotated[
    object,
    pydantic.AfterValidator(_computed_number),
    pydantic.WithJsonSchema({"anyOf": [{"type": "number"}, _EXPRESSION]}),
]
Name = Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=80)]
VariableName = Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]
Text = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=4000)]


class BoundsDocument(StrictModel):
    """Smallest and largest value that may be set."""

    at_least: ComputedNumber | None = None
    at_most: ComputedNumber | None = None


class VariableDocument(StrictModel):
    """A number, text or switch of a profile that a playbook may set; numbers within bounds."""

    default: Scalar
    at_least: Number | None = None
    at_most: Number | None = None
    why: Text


class SettingDocument(StrictModel):
    """What a control is about: exactly one of these."""

    sysctl: Text | None = None
    ipvs: Literal["tcp_timeout", "tcp_fin_timeout", "udp_timeout"] | None = None
    fact: Text | None = None
    module: Text | None = None
    file: Text | None = None
    drop_in: Service | None = None


class PredicateDocument(StrictModel):
    """What is acceptable; several conditions must all hold. A value may be an expression ``{{ … }}``."""

    equals: Scalar | None = None
    at_least: ComputedNumber | None = None
    at_most: ComputedNumber | None = None
    one_of: Items[Scalar] | None = None
    covers: Scalar | None = None
    avoids: Scalar | None = None
    loaded: bool | None = None
    exists: bool | None = None
    content: str | None = None
    empty: bool | None = None


class ControlDocument(StrictModel):
    """One control: a setting, what is acceptable for it, and why.

    Attributes:
        when: expression without braces; where it is false the control is skipped, with ``skip_reason``.
        expect: violated, the finding fails.
        prefer: violated, the finding warns.
        set: what a change would write.
        scope: for sysctl keys that the catalogue does not have.
        state: for sysctl keys and IPVS: what must hold, the value now, the one after the next boot, or (the default)
            both.
        because: fact whose text explains a finding, such as ``protection.now.reason``.
    """

    id: Name
    title: Text
    impact: Impact
    setting: SettingDocument
    when: Text | None = None
    skip_reason: Text | None = None
    expect: PredicateDocument
    prefer: PredicateDocument | None = None
    set_: Annotated[Scalar | None, pydantic.Field(alias="set")] = None
    bounds: BoundsDocument | None = None
    scope: Scope | None = None
    state: State | None = None
    because: Text | None = None
    why: Text
    sources: Items[Annotated[str, pydantic.StringConstraints(pattern=r"^https://\S+$")]] = ()


class ProfileDocument(StrictModel):
    """A file of controls; ``profile`` is the file's name without ``.yaml``."""

    profile: Name
    title: Text
    vars: Annotated[dict[VariableName, VariableDocument], pydantic.Field(default_factory=dict)]
    controls: Annotated[Items[ControlDocument], pydantic.Field(min_length=1)]
