"""What one cell of the proof gives: outcomes, who reset whom, and which counters moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from . import counters
from .addresses import SERVER
from .capture import Capture
from .world import PLACES, World


class Measuring:
    """Captures and counters from now on.

    Args:
        world: where.
        dialer: the place of the clients; resets are looked for there and at the server.
    """

    def __init__(self, world: World, dialer: str) -> None:
        self._world = world
        self._captures = [Capture(world, place) for place in (dialer, SERVER)]
        self._before = self._counters()

    def result(
        self, outcomes: Mapping[str, int], seen: Mapping[str, int], notes: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """What has happened since; to be asked for before the connections are closed, which resets them."""
        resets: Counter[str] = Counter()
        for capture in self._captures:
            resets.update(capture.resets())
        after = self._counters()
        return {
            "outcomes": dict(outcomes),
            "seen": dict(seen),
            "resets": dict(resets),
            "counters": {place: counters.moved(self._before[place], after[place]) for place in PLACES},
            "notes": dict(notes or {}),
        }

    def _counters(self) -> dict[str, dict[str, int]]:
        found = {}
        for place in PLACES:
            self._world.enter(place)
            found[place] = counters.read()
        return found
