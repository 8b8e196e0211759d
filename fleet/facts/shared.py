"""One object for facts that are the same on many nodes: a fleet's memory is mostly what its nodes have in common."""

from functools import lru_cache

from fleet.model.facts import NodeFile

_MOST_SETS = 128
_MOST_FILES = 2048
_LARGE = 16_384


@lru_cache(maxsize=_MOST_SETS)
def shared(names: frozenset[str]) -> frozenset[str]:
    """The set that an earlier node had, where that one is equal."""
    return names


def shared_file(file: NodeFile) -> NodeFile:
    """The file that an earlier node had, where that one is equal; large ones are not kept."""
    return file if file.content is not None and len(file.content) > _LARGE else _shared_file(file)


@lru_cache(maxsize=_MOST_FILES)
def _shared_file(file: NodeFile) -> NodeFile:
    return file
