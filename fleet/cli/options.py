"""Options that several commands share, each with one name, one default and one help text."""

import functools
import getpass
import inspect
import warnings
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from fleet.model.connection import TimeLimits
from fleet.model.errors import UsageError
from fleet.model.secret import Secret
from fleet.runner.choice import Runner
from fleet.runner.connection import (
    CREDENTIAL_VARIABLES,
    ConnectionSettings,
    Credentials,
    credential_of_environment,
)
from fleet.runner.documents import FASTEST_RATE, SLOWEST_RATE

T = TypeVar("T")

LONGEST = 86_400.0
"""Seconds that any limit may have; the clocks below take no infinity."""


class Become(StrEnum):
    SUDO = "sudo"
    DOAS = "doas"


InventoryOption = Annotated[
    str,
    typer.Option("--inventory", "-i", envvar="FLEET_INVENTORY", metavar="DIR", help="Inventory directory."),
]
LimitOption = Annotated[
    str | None,
    typer.Option(
        "--limit",
        "-l",
        metavar="EXPR",
        help="Only these hosts: names, globs, groups, data fields, with and/or/not, such as 'k3s and not maintenance'.",
    ),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Write the result to a file.")
]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, max=1000, metavar="N", help="Hosts at a time.")]
RunnerOption = Annotated[
    Runner,
    typer.Option(
        "--runner", help="Visit hosts from threads, processes or a Dask cluster; auto takes threads or processes."
    ),
]
DecidingRunnerOption = Annotated[
    Runner, typer.Option("--runner", help="Reach hosts from this machine (auto, threads), or from a Dask cluster.")
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler", metavar="ADDRESS", help="The scheduler of the Dask cluster: tcp://HOST:PORT or tls://HOST:PORT."
    ),
]
LocalOption = Annotated[bool, typer.Option("--local", help="This machine, without SSH and without an inventory.")]
VerboseOption = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="Details of what is not as expected; twice: of everything.")
]
BecomeOption = Annotated[
    Become | None, typer.Option("--become", "-b", metavar="[sudo|doas]", help="Read as root with sudo or doas.")
]
AskBecomeOption = Annotated[
    bool, typer.Option("--ask-become-pass", "-K", help="Ask for the sudo password, or set $FLEET_BECOME_PASSWORD.")
]
AskPasswordOption = Annotated[
    bool, typer.Option("--ask-pass", "-k", help="Ask for the login password, or set $FLEET_SSH_PASSWORD.")
]
AskPassphraseOption = Annotated[
    bool, typer.Option("--ask-passphrase", help="Ask for the passphrase of keys, or set $FLEET_KEY_PASSPHRASE.")
]
AcceptNewOption = Annotated[
    bool,
    typer.Option("--accept-new", help="Trust and remember hosts seen for the first time; never a changed key."),
]
ConnectTimeoutOption = Annotated[
    float, typer.Option("--connect-timeout", min=0.1, max=LONGEST, metavar="SECONDS", help="Limit for TCP to connect.")
]
AuthTimeoutOption = Annotated[
    float,
    typer.Option("--auth-timeout", min=0.1, max=LONGEST, metavar="SECONDS", help="Limit for the handshake and login."),
]
ConnectRateOption = Annotated[
    float | None,
    typer.Option(
        "--connect-rate",
        min=SLOWEST_RATE,
        max=FASTEST_RATE,
        metavar="N",
        show_default=False,
        help="New connections a second at most, to all hosts together.",
    ),
]
CommandTimeoutOption = Annotated[
    float,
    typer.Option("--command-timeout", min=0.1, max=LONGEST, metavar="SECONDS", help="Limit for one command on a host."),
]

StateDirOption = Annotated[
    Path, typer.Option("--state-dir", metavar="DIR", file_okay=False, help="Runs are recorded below this folder.")
]
HistoryOption = Annotated[
    str | None,
    typer.Option(
        "--history",
        envvar="FLEET_HISTORY",
        metavar="URL",
        show_default=False,
        help="postgresql://USER@HOST/DATABASE, sqlite:///FILE, or none; else history.db below --state-dir.",
    ),
]

NotifyOption = Annotated[
    list[str] | None,
    typer.Option("--notify", metavar="TARGET", help="Tell a target of the notify file what has changed; repeatable."),
]
NotifyFileOption = Annotated[
    Path,
    typer.Option(
        "--notify-file", envvar="FLEET_NOTIFY_FILE", metavar="FILE", help="Where the targets of --notify are."
    ),
]
MetricsOption = Annotated[
    Path | None,
    typer.Option("--metrics", metavar="FILE", dir_okay=False, help="Write Prometheus text for the textfile collector."),
]

DEFAULT_NOTIFY_FILE: Final = Path("notify.yaml")
DEFAULT_STATE_DIR: Final = Path(".fleet")
DEFAULT_LIMITS = TimeLimits()


def connection_settings(
    *,
    become: BecomeOption = None,
    ask_become_pass: AskBecomeOption = False,
    ask_pass: AskPasswordOption = False,
    ask_passphrase: AskPassphraseOption = False,
    accept_new: AcceptNewOption = False,
    connect_timeout: ConnectTimeoutOption = DEFAULT_LIMITS.connect,
    connect_rate: ConnectRateOption = None,
    auth_timeout: AuthTimeoutOption = DEFAULT_LIMITS.auth,
    command_timeout: CommandTimeoutOption = DEFAULT_LIMITS.command,
) -> ConnectionSettings:
    """Join options, environment and prompts.

    Raises:
        UsageError: a prompt is asked for where nobody can answer.
    """
    return ConnectionSettings(
        credentials=Credentials(
            password=_secret("password", "Login password", ask=ask_pass),
            passphrase=_secret("passphrase", "Passphrase of the key", ask=ask_passphrase),
            become_password=_secret("become_password", "Password for sudo", ask=ask_become_pass),
        ),
        limits=replace(DEFAULT_LIMITS, connect=connect_timeout, auth=auth_timeout, command=command_timeout),
        become=become.value if become else None,
        accept_new=True if accept_new else None,
        connect_rate=connect_rate,
    )


def connects(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command the options of `connection_settings`, and hand it what they come to as ``settings``."""
    shared = inspect.signature(connection_settings).parameters
    own = inspect.signature(command).parameters

    @functools.wraps(command)
    def with_settings(**given: Any) -> T:  # noqa: ANN401 whatever typer has parsed
        settings = connection_settings(**{name: given.pop(name) for name in shared})
        return command(**given, settings=settings)

    parameters = [*(own[name] for name in own if name != "settings"), *shared.values()]
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    with_settings.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined] # typer reads it
    with_settings.__annotations__ = {parameter.name: parameter.annotation for parameter in keywords}
    return with_settings


def _secret(name: str, prompt: str, *, ask: bool) -> Secret | None:
    if not ask:
        return credential_of_environment(name)
    try:
        with warnings.catch_warnings():
            # Without a terminal getpass would read what is typed, or piped, in the open.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return Secret(getpass.getpass(f"{prompt}: "))
    except (EOFError, getpass.GetPassWarning):
        raise UsageError(f"{prompt}: no answer; where nobody can type, set ${CREDENTIAL_VARIABLES[name]}") from None
