"""Where ``fleet`` begins and ends: errors and signals become messages and exit codes.

The commands are imported when `main` runs, so that Ctrl-C while Python still loads them shows no traceback either.
"""

import os
import signal
import sys
from typing import NoReturn

from fleet import __version__
from fleet.cli.signals import EXIT_BY_SIGNAL, ended_by_signals
from fleet.cli.streams import let_go, prepare_streams
from fleet.model.errors import FleetError, UsageError
from fleet.model.text import printable

EXIT_ERROR, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
_MOST_SHOWN = 200


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point of the ``fleet`` program: ends with an exit code, having said on stderr what went wrong."""
    prepare_streams()
    # By os.path: pathlib raises where there is no home, and takes as long to load as Python itself.
    if not os.path.isabs(os.path.expanduser("~")):  # noqa: PTH111, PTH117
        # A user id without an entry in passwd, as in a container: nornir does not load without a home. Docker's is /.
        os.environ["HOME"] = "/"
    try:
        with ended_by_signals():
            code = _run(arguments)
    except KeyboardInterrupt:
        # While the commands were loaded; later typer turns it into an exit code.
        _ignore_more_interrupts()
        sys.stderr.write("error: interrupted\n")
        code = EXIT_INTERRUPTED
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    if (sys.argv[1:] if arguments is None else arguments) == ["--version"]:
        return _tell_version()
    from fleet.cli import loading  # noqa: PLC0415 see above

    loading.begin()
    from fleet.cli.app import app  # noqa: PLC0415 see above
    from fleet.cli.output import complain  # noqa: PLC0415 see above

    try:
        try:
            app(arguments)
        finally:
            _flush()
    except FleetError as error:
        complain(str(error))
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_ERROR
    except SystemExit as end:
        # Typer's own way to end, after usage errors and help too.
        code = end.code if isinstance(end.code, int) else EXIT_ERROR
        if code == EXIT_INTERRUPTED:
            _ignore_more_interrupts()
            complain("interrupted")
        elif code > EXIT_BY_SIGNAL:
            complain(f"ended by {signal.Signals(code - EXIT_BY_SIGNAL).name}")
        return code
    except Exception as error:
        if os.environ.get("FLEET_DEBUG"):
            raise
        complain(_words(error))
        return EXIT_ERROR
    return 0


def _tell_version() -> int:
    """Tell it here: what parses options takes six times as long to load as Python itself."""
    try:
        sys.stdout.write(f"fleet {__version__}\n")
        _flush()
    except OSError as error:
        sys.stderr.write(f"error: {error.strerror}\n")
        return EXIT_ERROR
    return 0


def _flush() -> None:
    """Write what is left of stdout here, where a full disk can still be told."""
    try:
        sys.stdout.flush()
    except OSError as error:
        let_go(sys.stdout)
        # The reader of a broken pipe, such as `head`, has what it wanted.
        if not isinstance(error, BrokenPipeError):
            raise


def _ignore_more_interrupts() -> None:
    """A second Ctrl-C, while Python cleans up, would end it by the signal and not by the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        # A full disk or a missing right is the machine's, not a bug.
        where = f"{printable(str(error.filename), _MOST_SHOWN)}: " if error.filename else ""
        return f"{where}{error.strerror}"
    what = f"{type(error).__name__}: {printable(str(error), _MOST_SHOWN)}"
    return f"{what}: this is a bug in fleet; FLEET_DEBUG=1 shows where"
