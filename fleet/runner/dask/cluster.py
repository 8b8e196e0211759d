"""A Dask cluster as fleet looks at it: its address, its workers with their sites, and what is wrong with them."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from distributed.security import Security

from fleet import __version__
from fleet.model.connection import Endpoint
from fleet.model.errors import FleetError, UsageError
from fleet.model.text import printable
from fleet.runner.connection import CREDENTIAL_VARIABLES, credential_of_environment

SITE_RESOURCE: Final = "site:"
"""A worker says by the resource ``site:NAME`` where it is."""

CONNECT: Final[Mapping[str, Any]] = {"timeout": 10.0, "set_as_default": False, "direct_to_workers": False}
"""How Dask's client is made; it reaches workers through the scheduler only."""

ANSWER_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 30.0
"""For how long a host waits once the last worker of its site is lost: one that is started anew takes a few."""

LOOK_EVERY: Final = 1.0
MOST_SHOWN: Final = 300
_MOST_NAMED = 3
_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[^\s/:\[\]]+):[0-9]+")

# What goes wrong is told as a result or as the end of the run; Dask would tell it on stderr as well.
for _name in ("distributed", "distributed.client"):
    logging.getLogger(_name).handlers = [logging.NullHandler()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker: its address, how many tasks it does at a time, and the sites at which it is."""

    address: str
    threads: int
    sites: tuple[str, ...]


def workers_of(identity: Mapping[str, Any]) -> tuple[Worker, ...]:
    """Read what the scheduler says of its workers."""
    return tuple(
        Worker(
            address=address,
            threads=worker["nthreads"],
            sites=tuple(
                name.removeprefix(SITE_RESOURCE) for name in worker["resources"] if name.startswith(SITE_RESOURCE)
            ),
        )
        for address, worker in identity["workers"].items()
    )


def where(site: str | None) -> Mapping[str, int] | None:
    """The resources that a task asks for, to be done at a site; it uses nothing of them up."""
    return None if site is None else {f"{SITE_RESOURCE}{site}": 0}


def check_address(scheduler: str) -> None:
    """See that an address can be connected to.

    Raises:
        UsageError: it is none, or TLS is asked for without certificates.
    """
    if not _ADDRESS.fullmatch(scheduler):
        raise UsageError(f"--scheduler {printable(scheduler)}: write it as tcp://HOST:PORT or tls://HOST:PORT")
    certificates = Security().get_tls_config_for_role("client")
    if scheduler.startswith("tls:") and not (certificates["ca_file"] and certificates["cert"]):
        raise UsageError(
            f"{scheduler} needs certificates: name them below distributed.comm.tls in a file of ~/.config/dask, as "
            "docs/runners.md shows"
        )


def check_versions(versions: Mapping[str, object], scheduler: str) -> None:
    """See that there are workers, each with this fleet.

    Args:
        versions: of fleet, or what came in place of one, by the address of the worker.

    Raises:
        FleetError: there are none, or one has none or another.
    """
    if not versions:
        raise FleetError(f"the scheduler {scheduler} has no workers: start some, as docs/runners.md shows")
    wrong = [
        f"{address} has {f'fleet {version}' if isinstance(version, str) else f'none ({_first_line(version)})'}"
        for address, version in versions.items()
        if version != __version__
    ]
    if wrong:
        more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        raise FleetError(
            f"this is fleet {__version__}, and not all workers have it: {', '.join(wrong[:_MOST_NAMED])}{more}: "
            "install the same there"
        )


def cannot_be_reached(scheduler: str, error: Exception) -> FleetError:
    """Say that there is no scheduler to talk to."""
    return FleetError(
        f"the scheduler {scheduler} cannot be reached: {printable(str(error), MOST_SHOWN)}: see whether it runs, and "
        "whether both sides use TLS"
    )


def lost(scheduler: str) -> str:
    """Say that there no longer is."""
    return f"the connection to the scheduler {scheduler} was lost: see its log, and run this again"


def no_worker(scheduler: str, site: str | None, workers: Iterable[Worker]) -> str:
    """Say that a host has nobody who would reach it."""
    if site is None:
        return f"no worker is left at the scheduler {scheduler}: see their logs, and start them again"
    others = ", ".join(sorted({other for worker in workers for other in worker.sites})) or "no site"
    return (
        f"no worker is at site '{site}', from which it is reached ({scheduler} has workers at {others}): start one "
        f"there with --resources '{SITE_RESOURCE}{site}=1', or correct 'site' in the inventory"
    )


def without_credentials(endpoint: Endpoint) -> Endpoint:
    """Leave out what the environment has, for a worker takes that from its own.

    Raises:
        UsageError: a password was typed or stands in the inventory, so that it would have to be sent.
    """
    for name, variable in CREDENTIAL_VARIABLES.items():
        if getattr(endpoint, name) not in (None, credential_of_environment(name)):
            what = name.replace("_", " ")
            raise UsageError(
                f"{endpoint.name}: its {what} was typed or stands in the inventory, and is not sent to workers: set "
                f"${variable} where each worker is started"
            )
    return replace(endpoint, password=None, passphrase=None, become_password=None)


def _first_line(error: object) -> str:
    return printable(str(error).partition("\n")[0], MOST_SHOWN)
