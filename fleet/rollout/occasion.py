"""For which host, run and batch a command of the playbook is run, and how the command is told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\{(host|run|batch)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What hooks and gates on the controller are run for.

    Attributes:
        host: the inventory name.
        batch: its number, from 1.
    """

    host: str
    run_id: str
    batch: int

    def arguments(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """Put ``{host}``, ``{run}`` and ``{batch}`` in their place; all other braces stay, as awk and jq need them."""
        values = {"host": self.host, "run": self.run_id, "batch": str(self.batch)}
        return tuple(_PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in command)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program on the controller finds in its environment."""
        return {"FLEET_HOST": self.host, "FLEET_RUN": self.run_id, "FLEET_BATCH": str(self.batch)}
