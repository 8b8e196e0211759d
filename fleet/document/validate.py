"""Documents checked against pydantic models, with messages in an operator's words."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, get_args

import pydantic
from pydantic_core import ErrorDetails

from fleet.document.document import Document
from fleet.document.suggestion import did_you_mean
from fleet.model.errors import DocumentError

Model = TypeVar("Model", bound=pydantic.BaseModel)
Item = TypeVar("Item")

# A list of the file as an immutable tuple: strict pydantic would not make one of the other.
Items = Annotated[tuple[Item, ...], pydantic.Strict(False)]  # noqa: FBT003  # Strict takes no keyword


class StrictModel(pydantic.BaseModel):
    """Base of everything people write: no unknown keys, no conversion of types, no change after loading."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


_TYPES = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_type": "text",
    "tuple_type": "a list",
}
_SECRETS = {("password",)}
"""Keys whose values no message may show."""

_OF_A_KEY = "[key]"
"""How pydantic ends the location of a mapping's key, as opposed to its value."""

_COMPARISONS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "of the form {pattern}",
    "string_too_long": "at most {max_length} characters",
}


def validate(document: Document, model: type[Model]) -> Model:
    """Make a model of a document's data.

    Raises:
        DocumentError: for the problem that stands first in the file, with the number of the others.
    """
    try:
        return model.model_validate(document.data)
    except pydantic.ValidationError as error:
        details = error.errors(include_url=False)
        # A list whose only member is wrong is also reported as empty.
        holders = {each["loc"][:end] for each in details for end in range(len(each["loc"]))}
        problems = sorted(
            (_refusal(document, model, each) for each in details if each["loc"] not in holders),
            key=lambda problem: (problem.line or 0, problem.column or 0),
        )
        first = problems[0]
        if others := len(problems) - 1:
            first.hint = f"{first.hint}; " if first.hint else ""
            first.hint += f"{others} more {'problem' if others == 1 else 'problems'} in this file"
        raise first from None


def _refusal(document: Document, model: type[pydantic.BaseModel], details: ErrorDetails) -> DocumentError:
    location, kind = details["loc"], details["type"]
    if kind == "extra_forbidden":
        key = str(location[-1])
        hint = did_you_mean(key, _valid_keys(model, location[:-1]))
        return document.error(f"unknown key '{key}'", location, at_key=True, hint=hint)
    if kind == "missing":
        where = "" if len(location) == 1 else f" in {_name(location[:-1])}"
        return document.error(f"key '{location[-1]}' is missing{where}", location[:-1])
    if location and location[-1] == _OF_A_KEY:
        return document.error(f"'{location[-2]}' {_problem(details)}", location[:-1], at_key=True)
    return document.error(f"{_name(location)} {_problem(details)}", location, hint=_hint(details))


def _problem(details: ErrorDetails) -> str:
    """What is wrong with a value, to follow its name."""
    kind, context = details["type"], details.get("ctx", {})
    if expected := _TYPES.get(kind) or _COMPARISONS.get(kind, "").format(**context):
        if details["loc"][-1:] in _SECRETS:
            return f"must be {expected}"
        return f"must be {expected}, not {_shown(details['input'])}"
    if kind in {"too_short", "string_too_short"}:
        return "must not be empty"
    if kind == "value_error":
        return str(context["error"])
    return f"is not valid: {details['msg'][:1].lower()}{details['msg'][1:]}"


def _hint(details: ErrorDetails) -> str:
    value = details["input"]
    if details["type"] == "string_type" and _is_scalar(value):
        return "quote it to make it text"
    if details["type"] == "literal_error" and isinstance(value, str):
        options = details.get("ctx", {})["expected"].replace(" or ", ", ").split(", ")
        return did_you_mean(value, [option.strip("'") for option in options])
    return ""


def _name(location: tuple[int | str, ...]) -> str:
    """``('controls', 0, 'title')`` as ``controls[0].title``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return f"'{text.removeprefix('.')}'" if text else "the file"


def _is_scalar(value: object) -> bool:
    return value is not None and not isinstance(value, dict | list)


def _shown(value: object) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return f"'{value[:60]}'"
        case _:
            return str(value)


def _valid_keys(model: type[pydantic.BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys of the model that stands at a location inside another."""
    for step in location:
        if issubclass(model, pydantic.RootModel):
            model = next(_models_in(model.model_fields["root"].annotation), model)
            continue
        field = model.model_fields.get(str(step)) or next(
            (field for field in model.model_fields.values() if field.alias == step), None
        )
        if field is None:
            continue  # an index or key of a collection, whose model was already found
        model = next(_models_in(field.annotation), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:  # noqa: ANN401  # an annotation is any object
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
