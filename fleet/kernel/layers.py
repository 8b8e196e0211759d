"""Configuration directories that lie over each other, as systemd reads them."""

from collections.abc import Iterable, Mapping

from fleet.model.facts import NodeFile


def layered(files: Mapping[str, NodeFile], directories: Iterable[str], suffix: str) -> tuple[NodeFile, ...]:
    """The files that count, in the order in which they are read: by name in byte order.

    Of files with one name the one in the earlier directory counts; a link to /dev/null hides those after it.
    See https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html.

    Args:
        files: the node's files by path.
        directories: without a slash at the end, strongest first.
        suffix: such as ``.conf``; files without it are left out.
    """
    ranks = {directory: rank for rank, directory in enumerate(directories)}
    strongest: dict[str, tuple[int, NodeFile]] = {}
    for path, file in files.items():
        directory, _, name = path.rpartition("/")
        rank = ranks.get(directory)
        if rank is not None and name.endswith(suffix) and (name not in strongest or rank < strongest[name][0]):
            strongest[name] = rank, file
    return tuple(strongest[name][1] for name in sorted(strongest, key=str.encode))
