"""Models of documents: messages in an operator's words, at the place where the mistake stands."""

from typing import Annotated, Literal

import pydantic
import pytest

from fleet.document import Items, StrictModel, parse, validate
from fleet.model.errors import DocumentError


class Wheel(StrictModel):
    size: Annotated[int, pydantic.Field(ge=1, le=30)]
    rim: Literal["steel", "alloy"] = "steel"


def _without_blank(text: str) -> str:
    if " " in text:
        raise ValueError("must not contain a blank")
    return text


Plain = Annotated[str, pydantic.AfterValidator(_without_blank)]


class Car(StrictModel):
    name: str
    wheels: Items[Wheel] = ()
    spare: Wheel | None = None
    labels: Annotated[dict[str, str], pydantic.Field(default_factory=dict)]
    set_: Annotated[int, pydantic.Field(alias="set")] = 0
    fast: bool = False
    password: str = ""
    colours: Annotated[dict[Plain, int], pydantic.Field(default_factory=dict)]

    @pydantic.field_validator("name")
    @classmethod
    def _no_blank(cls, name: str) -> str:
        return _without_blank(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: x\nwheel: []\n", "car.yaml:2:1: unknown key 'wheel' (did you mean 'wheels'?)"),
        ("name: x\nsett: 1\n", "car.yaml:2:1: unknown key 'sett' (did you mean 'set'?)"),
        (
            "name: x\nwheels:\n  - {size: 3}\n  - {siz: 3, size: 4}\n",
            "car.yaml:4:6: unknown key 'siz' (did you mean 'size'?)",
        ),
        ("name: x\nspare: {size: 1, rin: alloy}\n", "car.yaml:2:18: unknown key 'rin' (did you mean 'rim'?)"),
        ("name: x\nzzz: 1\n", "car.yaml:2:1: unknown key 'zzz'"),
        ("wheels: []\n", "car.yaml:1:1: key 'name' is missing"),
        ("name: x\nwheels:\n  - {rim: alloy}\n", "car.yaml:3:5: key 'size' is missing in 'wheels[0]'"),
        ("name: x\npassword: 12345\n", "car.yaml:2:11: 'password' must be text (quote it to make it text)"),
        ("name: x\ncolours:\n  a b: 1\n", "car.yaml:3:3: 'a b' must not contain a blank"),
        ("name: 5\n", "car.yaml:1:7: 'name' must be text, not 5 (quote it to make it text)"),
        ("name:\n", "car.yaml:1:6: 'name' must be text, not empty"),
        ("name: [x]\n", "car.yaml:1:7: 'name' must be text, not a list"),
        ("name: x\nfast: yes\n", "car.yaml:2:7: 'fast' must be true or false, not 'yes'"),
        ("name: x\nset: '1'\n", "car.yaml:2:6: 'set' must be a whole number, not '1'"),
        ("name: x\nset: true\n", "car.yaml:2:6: 'set' must be a whole number, not true"),
        ("name: x\nset: 1.5\n", "car.yaml:2:6: 'set' must be a whole number, not 1.5"),
        ("name: x\nwheels: {a: b}\n", "car.yaml:2:9: 'wheels' must be a list, not a mapping"),
        ("name: x\nspare: wheel\n", "car.yaml:2:8: 'spare' must be a mapping, not 'wheel'"),
        ("name: x\nlabels: [a]\n", "car.yaml:2:9: 'labels' must be a mapping, not a list"),
        ("name: x\nlabels: {a: b, c: 1}\n", "car.yaml:2:19: 'labels.c' must be text, not 1 (quote it to make it text)"),
        ("name: x\nspare: {size: 0}\n", "car.yaml:2:15: 'spare.size' must be at least 1, not 0"),
        ("name: x\nspare: {size: 31}\n", "car.yaml:2:15: 'spare.size' must be at most 30, not 31"),
        (
            "name: x\nspare: {size: 3, rim: aloy}\n",
            "car.yaml:2:23: 'spare.rim' must be 'steel' or 'alloy', not 'aloy' (did you mean 'alloy'?)",
        ),
        ("name: x y\n", "car.yaml:1:7: 'name' must not contain a blank"),
        ("[1]\n", "car.yaml:1:1: the file must be a mapping, not a list"),
    ],
)
def test_refusal_in_words_and_with_position(text: str, expected: str) -> None:
    with pytest.raises(DocumentError) as refusal:
        validate(parse(text.encode(), "car.yaml"), Car)
    assert str(refusal.value) == expected


def test_the_first_problem_of_the_file_is_shown_and_the_others_are_counted() -> None:
    with pytest.raises(DocumentError) as refusal:
        validate(parse(b"fast: 1\nzzz: 1\nlabels: 3\n", "car.yaml"), Car)
    assert str(refusal.value).startswith("car.yaml:1:1: key 'name' is missing (3 more problems in this file)")


def test_a_valid_document_becomes_a_frozen_model() -> None:
    car = validate(parse(b"name: x\nwheels: [{size: 3}, {size: 4, rim: alloy}]\nset: 7\n", "car.yaml"), Car)
    assert car.wheels == (Wheel(size=3), Wheel(size=4, rim="alloy"))
    with pytest.raises(pydantic.ValidationError):
        car.name = "y"  # type: ignore[misc]  # that is the point


def test_what_a_refusal_quotes_cannot_steer_the_terminal() -> None:
    with pytest.raises(DocumentError) as refusal:
        validate(parse(b'name: x\n"\\e[2J\\u202eowned": 1\n', "car.yaml"), Car)
    assert str(refusal.value) == r"car.yaml:2:1: unknown key '\x1b[2J\u202eowned'"
    with pytest.raises(DocumentError) as refusal:
        parse(b'"\\e": 1\n"\\e": 2\n', "car.yaml")
    assert str(refusal.value).isprintable()
