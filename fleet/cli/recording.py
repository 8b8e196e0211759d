"""The one place where commands are put into the history."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import typer

from fleet import __version__
from fleet.cli.output import note
from fleet.cli.signals import EXIT_BY_SIGNAL
from fleet.drift.history.location import HistoryLocation
from fleet.drift.history.process import own_process
from fleet.drift.history.recorder import Recorder
from fleet.model.errors import FleetError, UsageError
from fleet.model.history import HistoryBegin, HistoryEnd, HistoryKind
from fleet.model.run_id import new_run_id
from fleet.runner.audit import iso
from fleet.transport.account import own_name

_EXIT_ERROR, _EXIT_USAGE, _EXIT_INTERRUPTED = 1, 2, 130


@contextmanager
def recorded(
    kind: HistoryKind,
    location: HistoryLocation | None,
    *,
    playbook: str = "",
    digest: str = "",
    run_id: str | None = None,
) -> Iterator[Recorder]:
    """Record a run: that it was begun, and however it ends, by which exit code.

    A history that cannot be written is a warning at the end; the result stands.

    Args:
        kind: of the run.
        location: of the history; None for none.
        playbook: as the operator gave it.
        digest: of the playbook.
        run_id: of a run that is taken up again; None for a new one.
    """
    recorder = Recorder(
        location,
        HistoryBegin(
            run_id=run_id or new_run_id(),
            kind=kind,
            who=own_name() or str(os.getuid()),
            machine=platform.node(),
            directory=str(Path.cwd()),
            process=own_process(),
            playbook=playbook,
            digest=digest,
            version=__version__,
            started=iso(datetime.now(UTC)),
        ),
    )
    recorder.begin()
    try:
        yield recorder
    except typer.Exit as end:
        _end(recorder, end.exit_code)
        raise
    except FleetError as error:
        _end(recorder, _EXIT_USAGE if isinstance(error, UsageError) else _EXIT_ERROR, str(error))
        raise
    except KeyboardInterrupt:
        _end(recorder, _EXIT_INTERRUPTED)
        raise
    except SystemExit as end:
        _end(recorder, end.code if isinstance(end.code, int) else _EXIT_ERROR)
        raise
    except Exception as error:
        _end(recorder, _EXIT_ERROR, f"{type(error).__name__}: this is a bug in fleet")
        raise
    else:
        _end(recorder, 0)


def _end(recorder: Recorder, code: int, message: str = "") -> None:
    status: Literal["done", "failed", "interrupted"] = "failed" if message else "done"
    if code >= EXIT_BY_SIGNAL:
        status = "interrupted"
    end = HistoryEnd(status=status, exit_code=code, finished=iso(datetime.now(UTC)), message=message)
    if problem := recorder.end(end):
        note(f"warning: this run is not in the history: {problem}")
