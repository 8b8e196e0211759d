"""What the programs inside answer, which is checked like everything that comes from another process, or from a node."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from fleet.kernel.version import parse_release
from fleet.model.proof import Outcome
from fleet.model.text import printable

_LONGEST = 400
_MOST = 1000

K = TypeVar("K")
V = TypeVar("V")
Said = Annotated[str, AfterValidator(lambda text: printable(text, _LONGEST))]
Count = Annotated[int, Field(ge=0, le=1 << 53)]
Few = Annotated[dict[K, V], Field(max_length=_MOST)]


class Answer(BaseModel):
    """The measurements of one cell; with ``error`` or ``skipped`` there are none."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    outcomes: dict[Outcome, Count] = {}
    seen: Few[Said, Count] = {}
    resets: Few[Said, Count] = {}
    counters: Few[Said, Few[Said, Count]] = {}
    notes: Few[Said, Said] = {}
    refused: Few[Said, Said] = {}
    kernel: Said = ""
    skipped: Said = ""
    error: Said = ""

    @model_validator(mode="after")
    def _has_a_kernel(self) -> Self:
        if not self.error:
            parse_release(self.kernel)
        return self


_ANSWERS = TypeAdapter(list[Answer])


def read_answers(text: bytes, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """The answers to these requests.

    Raises:
        ValueError: it is no answer, or not one to all that was asked.
    """
    answers = _ANSWERS.validate_json(text)
    if any(answer.error for answer in answers):
        return answers
    if len(answers) != len(requests):
        raise ValueError("there are not as many answers as requests")
    for answer, request in zip(answers, requests, strict=True):
        # Without this, a cell of no connections would hold whatever was promised.
        if not answer.skipped and sum(answer.outcomes.values()) < request["runs"]:
            raise ValueError("an answer lacks connections")
    return answers
