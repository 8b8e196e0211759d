"""What has to be so before a batch is confirmed."""

from fleet.rollout.gates.check import check_gates
from fleet.rollout.gates.context import GateContext

__all__ = ["GateContext", "check_gates"]
