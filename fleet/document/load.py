"""Files to documents and models."""

import stat
from pathlib import Path

from fleet.document.document import Document
from fleet.document.reader import MAX_BYTES, parse
from fleet.document.suggestion import did_you_mean
from fleet.document.validate import Model, validate
from fleet.model.errors import DocumentError


def load_document(path: Path | str, model: type[Model]) -> Model:
    """Load a file as a model.

    Raises:
        DocumentError: the file is not there, cannot be read, is not strict YAML, or is not what the model asks for.
    """
    return validate(load_mapping(path), model)


def load_mapping(path: Path | str) -> Document:
    """Load a file whose top level is a mapping.

    Raises:
        DocumentError: the file is not there, cannot be read, is not strict YAML, or is no mapping.
    """
    document = parse(_read(Path(path)), str(path))
    if not isinstance(document.data, dict):
        raise document.error("the file must hold a mapping of keys to values")
    return document


def _read(path: Path) -> bytes:
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise DocumentError("is a directory", path=str(path), hint="name a file in it")
        if not stat.S_ISREG(kind):
            # Opening a named pipe would block until somebody writes to it.
            raise DocumentError("is not a regular file", path=str(path))
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DocumentError("no such file", path=str(path), hint=_nearest(path)) from None
    except PermissionError:
        raise DocumentError("may not be read", path=str(path), hint=f"allow it: chmod a+r {path}") from None
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=str(path)) from None


def _nearest(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"there is no directory {path.parent} either"
    return did_you_mean(path.name, names)
