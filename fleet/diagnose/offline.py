"""Reads the files that need no host: a cluster's objects, an application's log, a capture."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fleet.diagnose.capture.frames import FormatError
from fleet.diagnose.capture.read import read_capture
from fleet.diagnose.capture.verdicts import judge_capture
from fleet.diagnose.kubernetes import judge_kubernetes
from fleet.diagnose.log import judge_log, logged_resets
from fleet.diagnose.objects import items
from fleet.model.diagnosis import CauseVerdict
from fleet.model.errors import DocumentError

_MOST_BYTES: Final = 512 * 1024 * 1024
_STDIN: Final = "-"
_TCPDUMP = "make it with: tcpdump -ni any -s 128 -w FILE tcp"
_COMMAND = "kubectl get pods,deployments,services,endpointslices,events -A -o json"


def read_kubernetes(path: str) -> tuple[CauseVerdict, ...]:
    """Judge what kubectl printed.

    Args:
        path: of a file; ``-`` is stdin.

    Raises:
        DocumentError: it cannot be read, or is no list of objects.
    """
    try:
        if path == _STDIN:
            raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=path) from error
    if len(raw) > _MOST_BYTES:
        raise DocumentError(f"is larger than {_MOST_BYTES // 1024**2} MiB", path=path, hint="ask for one namespace")
    try:
        parsed = json.loads(raw)
    except json.JSONDecodeError as error:
        raise DocumentError(
            f"not JSON: {error.msg}", path=path, line=error.lineno, column=error.colno, hint=f"make it with: {_COMMAND}"
        ) from None
    except (UnicodeDecodeError, RecursionError):
        raise DocumentError("not JSON that kubectl prints", path=path, hint=f"make it with: {_COMMAND}") from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("items"), list):
        raise DocumentError("no list of objects", path=path, hint=f"make it with: {_COMMAND}")
    return judge_kubernetes(items(parsed, "items"))


def read_log(path: str) -> tuple[CauseVerdict, ...]:
    """Judge an application's log, of any size.

    Raises:
        DocumentError: it cannot be read.
    """
    try:
        return judge_log(logged_resets(_lines(path), datetime.now(UTC)))
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=path) from error


def read_pcap(path: str) -> tuple[CauseVerdict, ...]:
    """Judge a capture, pcap or pcapng, of any size.

    Args:
        path: of a file; ``-`` is stdin.

    Raises:
        DocumentError: it cannot be read, or is no capture.
    """
    try:
        if path == _STDIN:
            return judge_capture(read_capture(sys.stdin.buffer))
        with Path(path).open("rb") as file:
            return judge_capture(read_capture(file))
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=path) from error
    except FormatError as error:
        raise DocumentError(f"no capture that can be read: {error}", path=path, hint=_TCPDUMP) from None


def _lines(path: str) -> Iterator[str]:
    if path == _STDIN:
        for line in sys.stdin.buffer:
            yield line.decode(errors="replace")
        return
    with Path(path).open("rb") as file:
        for line in file:
            yield line.decode(errors="replace")
