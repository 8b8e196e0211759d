"""Rehearses on this machine, with a tree of our own in place of its sysctl.d files, in a mount namespace of its own."""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from support.probe import NONCE, SHELLS

from fleet.facts.rehearsal import parse_rehearsal, rehearsal_arguments, rehearsal_script
from fleet.model.facts import NodeFile, Unavailable
from fleet.model.rehearsal import Rehearsal, RehearsalTool

_FOLDERS = ("etc/sysctl.d", "run", "usr/lib/sysctl.d", "usr/local/lib")
# Both parts of the script run in the same shell: the one that is called sh inside.
_MOUNT = 'mount -n --bind "$(command -v SHELL)" "$(readlink -f "$(command -v sh)")"\n'
_MOUNT += f'for one in etc/sysctl.conf {" ".join(_FOLDERS)}; do mount -n --bind "$0/$one" "/$one"; done'


def plant(root: Path, tree: Iterable[Mapping[str, str]]) -> None:
    """Write entries with ``path``, ``kind`` and ``content`` or ``link``, as `support.sysctl_trees` has them."""
    for folder in (*_FOLDERS, "run/sysctl.d", "usr/local/lib/sysctl.d"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "etc/sysctl.conf").touch()
    for entry in tree:
        path = root / entry["path"].lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry["kind"] == "directory":
            path.mkdir()
        elif entry["kind"] == "link":
            path.symlink_to(entry["link"])
        else:
            path.write_bytes(entry["content"].encode("latin-1"))


def files_of(tree: Mapping[str, str]) -> list[dict[str, str]]:
    """Regular files by path, as `plant` takes them."""
    return [{"path": path, "kind": "file", "content": content} for path, content in tree.items()]


def rehearse(
    root: Path,
    *,
    shell: str = "dash",
    tool: RehearsalTool = "systemd-sysctl",
    script: bytes | None = None,
    before: str = "",
) -> bytes:
    """What the script prints in a mount namespace of its own, but in the machine's network namespace; needs root.

    Args:
        root: a planted tree.
        shell: a name of ``SHELLS``.
        tool: that is to be tried out.
        script: another than the real one.
        before: commands that run first in the mount namespace.
    """
    arguments = " ".join(rehearsal_arguments(NONCE, tool))
    mount = _MOUNT.replace("SHELL", SHELLS[shell][0])
    command = f"set -e\n{mount}\n{before}\n{' '.join(SHELLS[shell])} -s -- {arguments}"
    completed = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", command, str(root)],
        input=rehearsal_script() if script is None else script,
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    return completed.stdout


def outcome(answer: bytes) -> Rehearsal | Unavailable:
    return parse_rehearsal(answer, nonce=NONCE, host="node-1")


def rehearsed(answer: bytes) -> Rehearsal:
    """The outcome of a rehearsal that took place."""
    parsed = outcome(answer)
    assert isinstance(parsed, Rehearsal), parsed
    return parsed


def found_files(root: Path, tree: Iterable[Mapping[str, str]]) -> dict[str, NodeFile]:
    """The planted regular files, as facts have them."""
    return {
        entry["path"]: NodeFile(
            path=entry["path"], kind="file", content=(root / entry["path"].lstrip("/")).read_bytes()
        )
        for entry in tree
    }
