"""The gate that watches resets, retransmits and INVALID packets of changed hosts beside untouched ones."""

from collections.abc import Collection, Mapping

from fleet.model.counters import Counters
from fleet.model.rollout import GateResult, RatesGate
from fleet.policy import HostView
from fleet.rollout.gates.compare_rates import CannotTell, Rates, decide, rates_between, sample
from fleet.rollout.gates.context import GateContext
from fleet.rollout.gates.result import counted, interrupted, split
from fleet.runner.counters import read_counters
from fleet.transport import Connection


def check_rates(gate: RatesGate, context: GateContext) -> GateResult:
    """Read the counters, wait for the window, read them again, and compare."""
    beside = sample(context.untouched, gate.sample)
    before, unread = _read(context, {*context.changed, *beside})
    context.stop.wait(gate.window)
    # A host that did not answer once is not asked again: it would only hold up the others.
    after, lost = _read(context, before.keys())
    if context.stop.is_set():
        return interrupted(gate)
    rates: dict[str, Rates | CannotTell] = {
        host: CannotTell(f"cannot be read: {why}") for host, why in {**unread, **lost}.items()
    }
    rates |= {host: rates_between(before[host], after[host]) for host in after}
    calm = [each for host in beside if not isinstance(each := rates[host], CannotTell)]
    missing = len(beside) - len(calm)
    notes = [f"{counted(missing, 'untouched host')} gave no rates"] if missing else []
    return decide(gate, {host: rates[host] for host in context.changed}, calm, notes)


def _read(context: GateContext, hosts: Collection[str]) -> tuple[Mapping[str, Counters], Mapping[str, str]]:
    def read(host: HostView, connection: Connection) -> Counters:
        return read_counters(host.name, connection)

    return split(context.fleet.run(read, hosts=hosts, stop=context.stop))
