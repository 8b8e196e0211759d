"""YAML that the software of a node reads."""

from functools import lru_cache

from fleet.document.document import Document
from fleet.document.reader import parse

# Many questions are asked of one file, and most files are the same on many nodes.
_MOST_FILES_KEPT = 256


@lru_cache(maxsize=_MOST_FILES_KEPT)
def node_document(content: bytes, path: str) -> Document:
    """Read one YAML document of a node, once; nobody may change it.

    Raises:
        DocumentError: as `fleet.document.reader.parse`.
    """
    return parse(content, path)
