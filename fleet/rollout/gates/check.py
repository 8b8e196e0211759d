"""The gates of a batch, one after the other."""

from collections.abc import Iterable

from fleet.model.errors import UsageError
from fleet.model.rollout import CommandGate, Gate, GateResult, PrometheusGate, ProveGate, RatesGate, VerifyGate
from fleet.rollout.gates.command import check_command
from fleet.rollout.gates.context import GateContext
from fleet.rollout.gates.prometheus import check_prometheus
from fleet.rollout.gates.prove import check_prove
from fleet.rollout.gates.rates import check_rates
from fleet.rollout.gates.result import failed, interrupted
from fleet.rollout.gates.verify import check_verify


def check_gates(gates: Iterable[Gate], context: GateContext) -> tuple[GateResult, ...]:
    """Ask each gate in order; the first that fails is the last that is asked.

    Nothing here writes to a node, but for what the commands of the playbook do.
    """
    results: list[GateResult] = []
    for gate in gates:
        results.append(interrupted(gate) if context.stop.is_set() else _check(gate, context))
        if not results[-1].passed:
            break
    return tuple(results)


def _check(gate: Gate, context: GateContext) -> GateResult:
    try:
        match gate:
            case VerifyGate():
                return check_verify(gate, context)
            case CommandGate():
                return check_command(gate, context)
            case PrometheusGate():
                return check_prometheus(gate)
            case RatesGate():
                return check_rates(gate, context)
            case ProveGate():
                return check_prove(gate, context)
    except UsageError as error:  # such as ~/.ssh/config, which reads one way at the start and another now
        return failed(gate, str(error))
