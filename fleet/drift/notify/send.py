"""Sending messages, and keeping those that could not be sent for the next check."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import sleep
from typing import Final

from fleet.model.notify import NotifyTarget
from fleet.transport.http import HttpError, post

PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try."""

_TIMEOUT: Final = 10.0
_MOST_KEPT: Final = 50
_FOLDER: Final = "unsent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a target is to be told; ``body`` is None where this check has nothing for it."""

    target: NotifyTarget
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A target that could not be told; ``problem`` is safe to print."""

    target: str
    problem: str


def tell(
    messages: Iterable[Message], run_id: str, *, state_dir: Path, wait: Callable[[float], None] = sleep
) -> tuple[Untold, ...]:
    """Tell each target of a check, after what earlier checks could not.

    Args:
        messages: one for each target.
        run_id: of the check.
        state_dir: what cannot be sent is kept below it; of Alertmanager nothing is, as each check tells it everything.
        wait: seconds between two tries.
    """
    told = ((each.target.name, _tell(each.target, each.body, run_id, state_dir, wait)) for each in messages)
    return tuple(Untold(target=name, problem=problem) for name, problem in told if problem)


def _tell(target: NotifyTarget, body: bytes | None, run_id: str, state_dir: Path, wait: Callable[[float], None]) -> str:
    if target.kind == "alertmanager":
        problem = _sent(target, body, wait) if body is not None else ""
        return f"{problem}; the next check tells it again" if problem else ""
    folder = state_dir / _FOLDER / target.name
    try:
        if body is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _keep(folder / f"{run_id}.json", body)
        for path in sorted(folder.glob("*.json")):
            if problem := _sent(target, path.read_bytes(), wait):
                return f"{problem}; kept for the next check in {folder}"
            path.unlink(missing_ok=True)
    except OSError as error:
        return f"{folder} cannot be used: {error.strerror}"
    return ""


def _keep(path: Path, body: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(body)
    beside.replace(path)
    for old in sorted(path.parent.glob("*.json"))[:-_MOST_KEPT]:
        old.unlink()


def _sent(target: NotifyTarget, body: bytes, wait: Callable[[float], None]) -> str:
    """Send once, and again where that may help; gives what is wrong at last."""
    problem = ""
    for pause in chain((0.0,), PAUSES):
        if pause:
            wait(pause)
        problem, may_pass = _try(target, body)
        if not may_pass:
            return problem
    return f"{problem}, {len(PAUSES) + 1} times"


def _try(target: NotifyTarget, body: bytes) -> tuple[str, bool]:
    try:
        answer = post(target.url, body, timeout=_TIMEOUT, authorization=target.authorization)
    except HttpError as error:
        return str(error), error.may_pass
    if answer.is_success:
        return "", False
    advice = "" if answer.may_pass else ": see whether its URL is still the right one"
    return f"the server answered {answer.status}{advice}", answer.may_pass
