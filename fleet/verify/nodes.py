"""The hosts of a verification, and the one connection to each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from fleet.document import did_you_mean
from fleet.model.errors import HostError, UsageError
from fleet.model.text import printable
from fleet.policy import HostView, check_atoms, parse_selection
from fleet.runner.fleet import Fleet
from fleet.transport import Connection

T = TypeVar("T")


class Nodes:
    """Hosts that jobs are done on, one at a time or all at once.

    A host that could not be logged in to is not tried again: every later job on it ends with the same error.

    Args:
        fleet: best with ``keep_open``, for jobs that come one by one.
        names: of the hosts that were chosen.
        inventory: all hosts, in order.
        groups: that the inventory declares.
    """

    def __init__(
        self, fleet: Fleet, *, names: Iterable[str], inventory: Sequence[HostView], groups: Iterable[str] = ()
    ) -> None:
        chosen = frozenset(names)
        self._fleet = fleet
        self._lost: dict[str, HostError] = {}
        self._inventory = inventory
        self._groups = tuple(groups)
        self.hosts: Mapping[str, HostView] = {host.name: host for host in inventory if host.name in chosen}

    def select(self, expression: str) -> tuple[str, ...]:
        """Name those of the chosen hosts that an expression selects, which may be none.

        Raises:
            UsageError: the expression cannot be read, or names what the inventory does not have.
        """
        selection = parse_selection(expression)
        check_atoms(selection, self._inventory, self._groups)
        return tuple(name for name, host in self.hosts.items() if selection.matches(host))

    def on(self, name: str, job: Callable[[HostView, Connection], T]) -> T:
        """Do a job on one host.

        Raises:
            HostError: the host was not reached, or the job ended with it.
            UsageError: the host was not chosen, or cannot be reached as asked.
        """
        if name not in self.hosts:
            hint = did_you_mean(name, self.hosts)
            raise UsageError(f"no host '{printable(name)}' was chosen{f' ({hint})' if hint else ''}")
        outcome = self.on_all([name], job)[name]
        if isinstance(outcome, Exception):
            # It may be raised many times, and would show the way of each.
            raise outcome.with_traceback(None)
        return outcome

    def on_all(self, names: Iterable[str], job: Callable[[HostView, Connection], T]) -> Mapping[str, T | Exception]:
        """Do a job on hosts side by side; results are as of `Fleet.run`.

        Raises:
            UsageError: a host cannot be reached as asked.
        """
        wanted = tuple(names)
        met: set[str] = set()

        def noting(host: HostView, connection: Connection) -> T:
            met.add(host.name)
            return job(host, connection)

        hosts = [name for name in wanted if name not in self._lost]
        outcomes = self._fleet.run(noting, hosts=hosts) if hosts else {}
        for name, outcome in outcomes.items():
            if isinstance(outcome, HostError) and name not in met:
                self._lost[name] = outcome
        return {name: self._lost[name] if name in self._lost else outcomes[name] for name in wanted}
