"""Configuration files, exactly as they are on the node but for the secrets in Kubernetes configuration."""

import posixpath
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from fleet.facts.answer import Answer, MalformedError, text
from fleet.facts.masking import mask_command_line, mask_ini, mask_json, mask_text, mask_yaml
from fleet.facts.shared import shared_file
from fleet.model.facts import NodeFile, NodeFileKind

# As in probe.sh.
MOST_FILE_BYTES = 262_144
MOST_TREE_BYTES = 4_194_304
MOST_FILES = 500

_MOST_PATH_BYTES = 4096
# A link counts twice.
_MOST_RECORDS = 2 * (MOST_FILES + 1)
_KINDS: dict[bytes, NodeFileKind] = {
    b"file": "file",
    b"empty": "file",
    b"directory": "directory",
    b"unreadable": "unreadable",
    b"other": "other",
}
_MASKS: Mapping[str, Callable[[bytes], bytes]] = {
    "/proc/cmdline": mask_command_line,
    "/etc/docker/": mask_json,
    **dict.fromkeys(("/etc/rancher/", "/var/lib/kubelet/", "/var/lib/rancher/", "/proc/"), mask_yaml),
    **{f"{base}/systemd/network": mask_ini for base in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")},
    **dict.fromkeys(("/etc/default/", "/etc/tuned/", "/usr/lib/tuned/"), mask_text),
}


def parse_files(answer: Answer, *, configs: AbstractSet[str]) -> tuple[dict[str, NodeFile], tuple[str, ...]]:
    """The files by path, and notes on what the probe left out.

    Args:
        answer: the opened one.
        configs: the configuration files that processes were told to read, which may stand anywhere.
    """
    links: dict[str, str] = {}
    kinds: dict[str, bytes] = {}
    notes: list[str] = []
    waiting: list[str] = []
    last = ""
    for record in answer.records(b"files"):
        kind, _, raw = record.partition(b" ")
        if kind == b"target":
            links[last] = text(raw.removesuffix(b"\n"))
            continue
        if kind.rstrip() == b"more":
            notes.append(f"there are more than {MOST_FILES} configuration files: those after the first were not read")
            continue
        # The probe ends each record but a target without a line break; the next section's frame adds none either.
        last = _path(raw)
        if kind == b"link":
            links[last] = ""
        elif kind in _KINDS:
            kinds[last] = kind
            if kind == b"file":
                waiting.append(last)
        else:
            raise MalformedError("an unknown kind of file", record)
        if len(kinds) + len(links) > _MOST_RECORDS:
            raise MalformedError(f"more than {MOST_FILES} files", record)
    contents = _contents(answer, waiting)
    masked = {path: mask_file(path, content, configs) for path, content in contents.items()}
    files = {path: _file(path, kinds.get(path), links.get(path), masked) for path in {**links, **kinds}}
    return files, tuple(notes)


def _contents(answer: Answer, waiting: list[str]) -> dict[str, bytes]:
    contents = answer.contents(b"texts")
    if len(contents) > len(waiting) or (
        len(contents) < len(waiting) and len(answer.sections[b"texts"]) < MOST_TREE_BYTES
    ):
        raise MalformedError(f"{len(contents)} contents for {len(waiting)} files: the node needs working env and head")
    return dict(zip(waiting, contents, strict=False))


def _file(path: str, kind: bytes | None, link: str | None, contents: dict[str, bytes]) -> NodeFile:
    content = None
    note = ""
    if kind == b"empty":
        content = b""
    elif kind == b"file":
        content = contents.get(path)
        if content is None:
            note = f"not read: the files together are larger than {MOST_TREE_BYTES} bytes"
        elif len(content) > MOST_FILE_BYTES:
            content, note = None, f"not read: larger than {MOST_FILE_BYTES} bytes"
        elif not content:
            # It had bytes when it was listed.
            content, note, kind = None, "could not be read", b"unreadable"
    elif kind == b"unreadable" and link is not None:
        note = "could not be read"
    return shared_file(
        NodeFile(
            path=path,
            kind="link" if link is not None or kind is None else _KINDS[kind],
            link=link,
            content=content,
            note=note,
        )
    )


def mask_file(path: str, content: bytes, configs: AbstractSet[str] = frozenset()) -> bytes:
    """A file's content as the facts of a node have it.

    Args:
        configs: the configuration files that processes were told to read.
    """
    if len(content) > MOST_FILE_BYTES:
        return content  # it is left out, and was cut off
    if path in configs or posixpath.dirname(path).removesuffix(".d") in configs:
        return mask_yaml(content)
    if mask := next((mask for start, mask in _MASKS.items() if path.startswith(start)), None):
        return mask(content)
    return mask_text(content) if "/systemd/system/" in path else content


def _path(raw: bytes) -> str:
    if not raw.startswith(b"/") or len(raw) > _MOST_PATH_BYTES:
        raise MalformedError("not an absolute path", raw)
    return text(raw)
