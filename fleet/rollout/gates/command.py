"""The gate that is a command, which has to end with 0 for each changed host."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic

from fleet.model.connection import Completed
from fleet.model.errors import HostTimeoutError
from fleet.model.rollout import CommandGate, GateResult
from fleet.model.text import printable
from fleet.policy import HostView
from fleet.rollout.gates.context import GateContext
from fleet.rollout.gates.result import counted, failed, interrupted, listed, passed, split
from fleet.rollout.occasion import Occasion
from fleet.transport import Command, Connection
from fleet.transport.program import run_program

_AT_ONCE = 50
_LAST_LINE = 200


def check_command(gate: CommandGate, context: GateContext) -> GateResult:
    """Run the command for every changed host, all within the one limit of the gate."""
    problems = _on_controller(gate, context) if gate.on == "controller" else _on_nodes(gate, context)
    if context.stop.is_set():
        return interrupted(gate)
    name = printable(gate.command[0])
    if problems:
        of = f"{len(problems)} of {counted(len(context.changed), 'host')}"
        return failed(gate, f"{name} on the {gate.on} fails for {of}: {listed(problems)}")
    return passed(gate, f"{name} on the {gate.on} ended with status 0 for {counted(len(context.changed), 'host')}")


def _on_controller(gate: CommandGate, context: GateContext) -> list[str]:
    deadline = monotonic() + gate.timeout
    abandoned = Event()

    def run(host: str) -> str:
        left = deadline - monotonic()
        if left <= 0:
            return f"was not started within {gate.timeout:g} s"
        occasion = Occasion(host=host, run_id=context.run_id, batch=context.batch)
        return run_program(
            occasion.arguments(gate.command),
            environment=occasion.environment,
            timeout=left,
            stop=lambda: abandoned.is_set() or context.stop.is_set(),
        ).failure

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="gate") as pool:
        try:
            failures = list(pool.map(run, context.changed))
        finally:
            abandoned.set()  # a second Ctrl-C leaves nothing running
    return [f"{host}: {failure}" for host, failure in zip(context.changed, failures, strict=True) if failure]


def _on_nodes(gate: CommandGate, context: GateContext) -> list[str]:
    deadline = monotonic() + gate.timeout

    def run(host: HostView, connection: Connection) -> str:
        left = round(deadline - monotonic(), 1)
        if left <= 0:
            return f"was not started within {gate.timeout:g} s"
        occasion = Occasion(host=host.name, run_id=context.run_id, batch=context.batch)
        try:
            done = connection.run(Command(arguments=occasion.arguments(gate.command), become=True, timeout=left))
        except HostTimeoutError:
            return f"did not end within {gate.timeout:g} s; the connection is closed, the command may still run there"
        return _failure(done)

    failures, errors = split(context.fleet.run(run, hosts=context.changed, stop=context.stop))
    told = {**errors, **failures}
    return [f"{host}: {why}" for host in context.changed if (why := told.get(host))]


def _failure(completed: Completed) -> str:
    if completed.exit_status == 0:
        return ""
    lines = (completed.stderr.strip() or completed.stdout.strip()).rpartition(b"\n")
    said = printable(lines[2].strip(), _LAST_LINE)
    return f"ended with status {completed.exit_status}" + (f": '{said}'" if said else "")
