"""What a node gets on the standard input of ``sh -s -- NONCE``.

Everything that does something stands in the ``.sh`` files beside this one; what is put together here is data, in calls
whose every word is quoted. All calls are inside one pair of braces at the end, so that a program that was cut off
anywhere runs nothing.
"""

import hashlib
import math
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from fleet.facts.request import key_path
from fleet.kernel.values import fold
from fleet.model.text import printable
from fleet.plan.ipvs import IPVS_UNIT
from fleet.plan.model import Change, FileState, NodePlan, Preconditions
from fleet.policy.on_node import TIMER
from fleet.rollout.node.model import NodeJob

_ALWAYS = ("words", "journal", "disarm", "undo")
_ANSWERS = ("answer", "home")
_FILES = "files"
_NONCE = re.compile(r"[0-9a-f]{16,64}")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MODULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,200}\.(?:service|timer)")
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+,-]*(?:/[A-Za-z0-9_.:@+,-]+)+")
_MOST_NAME = 200
_DEFAULT_MODE = 0o644


def apply_program(nonce: str, job: NodeJob, plan: NodePlan) -> bytes:
    """Make the changes of a plan, with the undo armed, where the node is still as it was planned on.

    Args:
        nonce: 16 to 64 hexadecimal digits in lower case, unguessable, new for each call.
        job: how to go about it.
        plan: of this node, with its preconditions.

    Raises:
        ValueError: a name or a path is not one that can be sent to a node, or the plan restarts a service that the
            rollout does not name.
    """
    calls = [
        _call("job", _run(job.run_id), printable(job.who, _MOST_NAME), str(max(1, math.ceil(job.confirm_within)))),
        *_expectations(plan),
        *(_change(change, plan.preconditions, job) for change in plan.changes),
        "apply",
    ]
    return _program(nonce, (*_ANSWERS, _FILES, "compare", "arm", "write", "apply"), calls, undo_of=job.run_id)


def confirm_program(nonce: str, run_id: str) -> bytes:
    """Let the changes of a pending run stay.

    Raises:
        ValueError: the nonce or the run is none.
    """
    return _program(nonce, (*_ANSWERS, "asked"), [*_about(run_id), "confirm"])


def undo_program(nonce: str, run_id: str, *, force: bool = False) -> bytes:
    """Take back a pending run, or a confirmed one.

    Args:
        nonce: as for `apply_program`.
        run_id: the run.
        force: take a confirmed run back also where the node has moved since.

    Raises:
        ValueError: the nonce or the run is none.
    """
    calls = [*_about(run_id), _call("undo", "force" if force else "")]
    return _program(nonce, (*_ANSWERS, _FILES, "arm", "asked"), calls, undo_of=run_id)


def status_program(nonce: str, run_id: str | None = None) -> bytes:
    """Tell what the node's own journal says of a run, or of whatever is pending.

    A run whose time is over, or that a reboot has interrupted, is taken back first.

    Raises:
        ValueError: the nonce or the run is none.
    """
    return _program(nonce, (*_ANSWERS, "asked"), ["run=", "status"] if run_id is None else [*_about(run_id), "status"])


def _program(nonce: str, parts: tuple[str, ...], calls: list[str], *, undo_of: str | None = None) -> bytes:
    if not _NONCE.fullmatch(nonce):
        raise ValueError("the nonce has to be 16 to 64 hexadecimal digits")
    texts = [_shell(*_ALWAYS, *parts)]
    if undo_of is not None:
        texts += (f"{name}={shlex.quote(text)}\n" for name, text in _left_on_the_node(_run(undo_of)))
    return ("".join(texts) + "\n".join(['{ begin "$@"', *calls, "}"]) + "\n").encode()


def _left_on_the_node(run: str) -> Iterator[tuple[str, str]]:
    yield "undo_text", _shell(*_ALWAYS, "undo_main") + '{ undo_main "$@"; }\n'
    yield "boot_unit", _text("fleet-undo.service").replace("RUN", run)
    yield "boot_start", _text("fleet-undo.start.sh").replace("RUN", run)


@cache
def _shell(*parts: str) -> str:
    return re.sub(r"(?m)^ *#.*\n", "", "".join(_text(f"{part}.sh") for part in parts))


@cache
def _text(name: str) -> str:
    return files("fleet.rollout.node").joinpath("sh", name).read_text(encoding="ascii")


def _about(run_id: str) -> list[str]:
    return [f"run={_run(run_id)}"]


def _run(run_id: str) -> str:
    if not _RUN.fullmatch(run_id):
        raise ValueError(f"not the name of a run: '{printable(run_id)}'")
    return run_id


def _call(function: str, *words: str) -> str:
    return shlex.join([function, *words])


def _expectations(plan: NodePlan) -> Iterator[str]:
    planned_on = plan.preconditions
    if planned_on is None:
        return
    if planned_on.boot_id is not None:
        yield _call("planned_on", planned_on.boot_id)
    targets = {change.target for change in plan.changes}
    for path, state in planned_on.files.items():
        # The hash of a masked file is that of its text without secrets: the controller compares it by a probe.
        if path not in targets and not state.masked and state.kind != "unreadable":
            yield _call("expect_file", _path(path), state.kind, state.sha256 or "-", state.link or "")
    for key, value in planned_on.live.items():
        if key not in targets and value is not None:
            yield _call("expect_live", _proc(key), key, fold(value))


def _change(change: Change, planned_on: Preconditions | None, job: NodeJob) -> str:
    match change.kind:
        case "file":
            state = None if planned_on is None else planned_on.files.get(change.target)
            return _file(change, state)
        case "sysctl":
            if change.after is None or not change.after.isprintable():
                raise ValueError(f"no value for {printable(change.target)}")
            known = "absent" if change.before is None else "known"
            before = fold(change.before or "")
            return _call("change_sysctl", change.target, _proc(change.target), known, before, fold(change.after))
        case "module":
            name = _named(_MODULE, change.target, "a module")
            return _call("change_module", name, f"/sys/module/{name.replace('-', '_')}")
        case "unit":
            name = _named(_UNIT, change.target, "a service or a timer")
            if change.after not in {"enabled", "restarted"}:
                raise ValueError(f"{name} cannot become {printable(str(change.after))}")
            # Those units are fleet's own, and nothing hangs on them.
            allowed = {IPVS_UNIT, TIMER, *job.restart}
            if change.after == "restarted" and not {name, name.removesuffix(".service")} & allowed:
                raise ValueError(f"the plan restarts {name}, which the rollout does not name")
            return _call("change_unit", name, change.after)


def _file(change: Change, state: FileState | None) -> str:
    before, after = _hash(change.bytes_before, change), _hash(change.bytes_after, change)
    if before != "absent" and state is not None and state.masked:
        before = "masked"
    mode = _DEFAULT_MODE if change.mode is None else change.mode
    return _call("change_file", _path(change.target), before, after, f"{mode:04o}", change.encoding, change.after or "")


def _hash(raw: bytes | None, change: Change) -> str:
    if raw is None:
        return "absent"
    if b"\0" in raw and change.encoding != "base64":
        raise ValueError(f"the text of {printable(change.target)} has a NUL in it")
    return hashlib.sha256(raw).hexdigest()


def _path(path: str) -> str:
    parts = path.split("/")
    if parts[0] or len(parts) < 2 or {"", ".", ".."} & set(parts[1:]) or not path.isprintable() or path != path.strip():  # noqa: PLR2004
        raise ValueError(f"not an absolute path of plain characters: '{printable(path)}'")
    return path


def _proc(key: str) -> str:
    path = key_path(key)
    if not _KEY.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError(f"not the name of a sysctl key: '{printable(key)}'")
    return f"/proc/sys/{path}"


def _named(pattern: re.Pattern[str], name: str, what: str) -> str:
    if not pattern.fullmatch(name):
        raise ValueError(f"not the name of {what}: '{printable(name)}'")
    return name
