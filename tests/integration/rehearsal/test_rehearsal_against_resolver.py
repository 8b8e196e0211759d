"""The rehearsal and the resolver on one tree: one answer."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from support.rehearsal import files_of, found_files, plant, rehearse, rehearsed
from support.sysctl_trees import Tree, listing, node_files, trees

from fleet.kernel.boot import BootUnknown, Kernel, resolve_procps, resolve_systemd
from fleet.kernel.rehearsal import REHEARSED_KEYS, compare_rehearsal, rehearsal_finding
from fleet.kernel.version import parse_release
from fleet.model.rehearsal import RehearsalTool

pytestmark = pytest.mark.root


def kernel() -> Kernel:
    return Kernel(version=parse_release(os.uname().release), arch=os.uname().machine, live={})


def entries(root: Path, tree: Tree) -> list[dict[str, str | None]]:
    """What stands on disk; a link is followed as on the node, where the tree is mounted at /."""
    found = []
    for entry in tree:
        path = root / entry["path"].lstrip("/")
        content = path.read_bytes().decode("latin-1") if path.is_file() and not path.is_symlink() else None
        found.append({"path": entry["path"], "kind": entry["kind"], "link": entry.get("link"), "content": content})
    return found


def _is_plain(tree: Tree) -> bool:
    """No links, whose aims would be looked for below /, and a file where one is mounted."""
    kinds = {(entry["kind"], entry["path"] == "/etc/sysctl.conf") for entry in tree}
    return kinds <= {("file", True), ("file", False), ("directory", False)}


@pytest.mark.parametrize("tool", ["systemd-sysctl", "sysctl"])
@settings(max_examples=30, database=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(tree=trees().filter(_is_plain))
def test_random_trees_give_no_difference(tool: RehearsalTool, tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        plant(root, tree)
        files = node_files(entries(root, tree))
        seen = rehearsed(rehearse(root, tool=tool))
    if tool == "sysctl":
        boot = resolve_procps(files, REHEARSED_KEYS, kernel=kernel(), version=(4, 0, 2))
    else:
        boot = resolve_systemd(files, REHEARSED_KEYS, kernel=kernel(), globs=True)
    comparison = compare_rehearsal(seen, boot)
    note(f"{tool} read\n{listing(tree)}\nand said\n{seen.output}")
    assert comparison.differences == ()
    assert set(comparison.unpredicted) <= {key for key, value in boot.items() if isinstance(value, BootUnknown)}


def test_a_wrong_prediction_is_found(tmp_path: Path) -> None:
    lines = ("net.ipv4.tcp_fin_timeout = 30", "net.ipv4.tcp_tw_reuse = 9", "net.core.somaxconn = 999", "")
    tree = files_of({"/etc/sysctl.d/10-a.conf": "\n".join(lines)})
    plant(tmp_path, tree)
    seen = rehearsed(rehearse(tmp_path))
    files = found_files(tmp_path, tree)
    right = resolve_systemd(files, REHEARSED_KEYS, kernel=kernel(), globs=True)
    assert rehearsal_finding(seen, right).status == "pass"
    wrong = {**right, "net.ipv4.tcp_fin_timeout": right["net.core.somaxconn"]}
    finding = rehearsal_finding(seen, wrong)
    assert (finding.control, finding.status, finding.impact) == ("boot-rehearsal", "fail", "high")
    assert finding.settings == ("net.ipv4.tcp_fin_timeout",)
    assert "net.ipv4.tcp_fin_timeout was to be 999 by /etc/sysctl.d/10-a.conf:3, the tool left 30" in finding.reason
    unset = {**right, "net.ipv4.tcp_tw_reuse": right["net.core.somaxconn"]}
    told = rehearsal_finding(seen, unset).reason
    assert "the tool left 2 and said: Couldn't write '9' to 'net/ipv4/tcp_tw_reuse': Invalid argument" in told
