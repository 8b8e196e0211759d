"""Runs the programs of ``fleet.prove.inside`` in namespaces of their own, and ends them, whatever happens to us.

The programs run as process 1 of a PID namespace, in network namespaces without a name. They end when their standard
input does, so that a ``kill -9`` of ours leaves nothing behind either.
"""

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

from fleet.model.errors import ProofError
from fleet.model.text import printable
from fleet.prove.answer import Answer, read_answers
from fleet.prove.place import Place
from fleet.prove.scenario import BUILD_ONLY

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where tools are looked for; a user's own path often lacks sbin."""

NAMESPACES = ("--net", "--pid", "--fork", "--kill-child")
"""Of the programs, for ``unshare``; what is in them ends with it."""

_USER = ("--user", "--map-root-user")
_LONGEST_MESSAGE = 400
_CHUNK = 1 << 16
_AT_ONCE = 24
_TICK = 0.1
# Several times what all of it takes, of which evictions are the slowest.
_LONGEST = 600.0

# Why a user may not make user namespaces, where the kernel or the distribution has forbidden it.
_FORBIDDEN = {
    "/proc/sys/user/max_user_namespaces": ("0", "user.max_user_namespaces is 0"),
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "kernel.unprivileged_userns_clone is 0"),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "kernel.apparmor_restrict_unprivileged_userns is 1",
    ),
}


def namespaces_of_their_own() -> bool:
    """Find out how this user makes namespaces: True as root, False in a user namespace.

    Raises:
        ProofError: not at all; says why.
    """
    said = ""
    for is_root in (True, False) if os.geteuid() == 0 else (False,):
        try:
            done = subprocess.run(  # noqa: S603 - words of ours
                [*_unshare(as_root=is_root), "true"], env=_environment(), capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise ProofError("unshare is not installed: apt-get install util-linux") from None
        if done.returncode == 0:
            return is_root
        said = printable(done.stderr.strip(), _LONGEST_MESSAGE)
    raise ProofError(f"this machine gives us no network namespace: {said}{_reason()}")


def prepare() -> bool:
    """Build the namespaces once, which shows what is missing and has the kernel load its connection tracking.

    Raises:
        ProofError: something is missing; says what.

    Returns:
        Whether it is done as root, rather than in a user namespace.
    """
    as_root = namespaces_of_their_own()
    measure([BUILD_ONLY], as_root=as_root)
    return as_root


def this_machine(
    *,
    as_root: bool,
    progress: Callable[[], None] = lambda: None,
    within: float = _LONGEST,
    stop: Callable[[], bool] = lambda: False,
) -> Place:
    """This machine's kernel.

    Args:
        as_root: as `prepare` found out.
        progress: told of each cell that is done.
        within: seconds for all that is measured at once.
        stop: asked several times a second whether it is not wanted any more.
    """

    def measured(requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
        return measure(requests, as_root=as_root, progress=progress, within=within, stop=stop)

    return Place(measure=measured, as_root=as_root)


def measure(
    requests: Sequence[Mapping[str, Any]],
    *,
    as_root: bool,
    progress: Callable[[], None] = lambda: None,
    within: float = _LONGEST,
    stop: Callable[[], bool] = lambda: False,
) -> list[Answer]:
    """Let programs measure some cells, several at a time, each in namespaces of its own.

    Args:
        requests: as `fleet.prove.scenario.cell_request` makes them.
        as_root: as found out by `namespaces_of_their_own`.
        progress: told of each cell that is done.
        within: seconds for all of them.
        stop: as for `this_machine`.

    Raises:
        ProofError: a program failed, the time was up, or it was stopped.

    Returns:
        The answers, in the order of the requests.
    """
    answers: dict[int, Answer] = {}
    waiting = deque(enumerate(requests))
    deadline = monotonic() + within
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        while waiting or selector.get_map():
            while waiting and len(selector.get_map()) < _AT_ONCE:
                position, request = waiting.popleft()
                bench = stack.enter_context(_Bench(request, as_root=as_root))
                selector.register(bench.output, selectors.EVENT_READ, (position, bench))
            if monotonic() >= deadline:
                raise ProofError(f"the proof did not end within {within:g} s")
            if stop():
                raise ProofError("the proof was stopped")
            for key, _ in selector.select(_TICK):
                position, bench = key.data
                if bench.has_answered():
                    selector.unregister(key.fileobj)
                    answers[position] = bench.answer()
                    bench.end()
                    progress()
    return [answers[position] for position in range(len(requests))]


class _Bench:
    """One process that measures one cell."""

    def __init__(self, request: Mapping[str, Any], *, as_root: bool) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 closed by end()
        self._process = subprocess.Popen(  # noqa: S603 - words of ours
            [*_unshare(as_root=as_root), sys.executable, "-m", "inside"],
            cwd=Path(__file__).parent,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Ctrl-C is for us: the programs end with their standard input.
            start_new_session=True,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("pipes were asked for")
        self._input, self.output = self._process.stdin, self._process.stdout
        self._request = request
        self._answer = b""
        # One that has ended already is noticed, with what it said, where it does not answer.
        with suppress(BrokenPipeError):
            self._input.write(json.dumps([request]).encode() + b"\n")
            self._input.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def has_answered(self) -> bool:
        """Take what has come; whether that is all."""
        part = os.read(self.output.fileno(), _CHUNK)
        self._answer += part
        return not part or part.endswith(b"\n")

    def answer(self) -> Answer:
        try:
            (answer,) = read_answers(self._answer, [self._request])
        except ValueError:  # pydantic's are, too
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip().splitlines() or ["nothing"]
            raise ProofError(f"a program of the proof failed: {printable(said[-1], _LONGEST_MESSAGE)}") from None
        if answer.error:
            raise ProofError(f"the proof cannot run here: {printable(answer.error, _LONGEST_MESSAGE)}")
        return answer

    def end(self) -> None:
        """End the process and with it its namespaces; a second time does nothing."""
        # unshare takes its child, and so all that is in its namespaces, with it.
        self._process.kill()
        with suppress(BrokenPipeError):
            self._input.close()
        self.output.close()
        self._log.close()
        self._process.wait()


def _unshare(*, as_root: bool) -> list[str]:
    return ["unshare", *(() if as_root else _USER), *NAMESPACES]


def _environment() -> dict[str, str]:
    return {"PATH": SEARCH_PATH, "LC_ALL": "C"}


def _reason() -> str:
    if os.geteuid() == 0:
        return "; start the container with --privileged, or use a virtual machine"
    for path, (value, why) in _FORBIDDEN.items():
        with suppress(OSError):
            if Path(path).read_text().strip() == value:
                return f" ({why}); run it as root, for instance with sudo"
    return "; run it as root, for instance with sudo"
