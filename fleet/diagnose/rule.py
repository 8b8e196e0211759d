"""What a rule is: a cause with its remedy and sources, and a pure function from evidence to its verdict."""

from collections.abc import Callable
from dataclasses import dataclass

from fleet.diagnose.evidence import Evidence
from fleet.model.diagnosis import NAMED, CauseVerdict, Place, Verdict
from fleet.model.facts import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One way in which connections break.

    Attributes:
        name: such as ``invalid-segment``.
        remedy: what to do about it, or where to look next.
        sources: pages that the rule comes from.
    """

    name: str
    title: str
    place: Place
    remedy: str
    sources: tuple[str, ...]

    def is_(self, verdict: Verdict, *evidence: str) -> CauseVerdict:
        """The verdict, with the remedy where the cause is named."""
        return CauseVerdict(
            cause=self.name,
            title=self.title,
            verdict=verdict,
            place=self.place,
            evidence=evidence,
            remedy=self.remedy if verdict in NAMED else "",
            sources=self.sources,
        )

    def unread(self, why: Unavailable) -> CauseVerdict:
        """No verdict, because what it takes could not be read."""
        return self.is_("cannot tell", f"the connections of pods could not be read: {why}")


Rule = Callable[[Evidence], CauseVerdict]


def several(count: int, thing: str) -> str:
    """A number of things in words, such as ``1 connection``."""
    return f"{count} {thing}{'' if count == 1 else 's'}"
