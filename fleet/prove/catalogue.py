"""The scenarios, and what each promises under each fix.

The promises are measurements on kernel 6.18; of the old segment also on 5.10 and 6.1. docs/prove.md has the table and
the reasons.
"""

from collections.abc import Mapping
from typing import Final

from fleet.prove.limits import LIMITS
from fleet.prove.lost import LOST
from fleet.prove.scenario import Scenario
from fleet.prove.segments import SEGMENTS

SCENARIOS: Final[Mapping[str, Scenario]] = {scenario.name: scenario for scenario in (*SEGMENTS, *LOST, *LIMITS)}
"""By name, in the order in which they are told."""
