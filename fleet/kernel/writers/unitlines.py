"""Units of the node's Kubernetes services that set keys with ExecStartPre, each time before the service starts."""

from collections.abc import Iterator

from fleet.kernel.services import SERVICES, running, start_values
from fleet.kernel.writers.writer import Write, Writer, shown
from fleet.model.facts import NodeFacts


def unit_writers(facts: NodeFacts) -> Iterator[Writer]:
    """What the units of the services that run write when these start again."""
    if facts.identity.init != "systemd":
        return
    present = running(facts)
    for service in SERVICES:
        if service not in present:
            continue
        for key, start in start_values(facts.files, service).items():
            command = start.command
            yield Writer(
                name=f"{service}.service",
                kind="unit",
                key=key,
                when="service start",
                service=service,
                writes=(Write(rule="sets", value=start.value),),
                evidence=(f"{service} runs", f"{command.path}:{command.line} has {shown(command.text)}"),
                place=command.path,
            )
