"""Files through the real probe, under each shell."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.probe import NONCE, SHELLS, run_probe_locally

from fleet.facts import parse_answer
from fleet.model.facts import NodeFacts, NodeFile, Unavailable

pytestmark = [
    pytest.mark.parametrize("shell", list(SHELLS)),
    pytest.mark.skipif(
        any(shutil.which(command[0]) is None for command in SHELLS.values()), reason="needs dash, bash and busybox"
    ),
]

LARGEST = 262_144


def read(shell: str, *paths: Path) -> NodeFacts:
    answer = run_probe_locally(shell, ["net.core.somaxconn"], files=[str(path) for path in paths])
    return parse_answer(answer, nonce=NONCE, host="node-1")


@settings(max_examples=15, deadline=None)
@given(
    first=st.one_of(
        st.binary(max_size=300), st.sampled_from([b"\0", b"\n", b"\n\n", b"=\0", NONCE[:31].encode(), b"-"])
    ),
    second=st.binary(max_size=300),
)
def test_any_bytes_survive(shell: str, first: bytes, second: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        paths = Path(directory, "first.conf"), Path(directory, "second.conf")
        for path, content in zip(paths, (first, second), strict=True):
            path.write_bytes(content)
        files = read(shell, *paths).files
        assert [files[str(path)].content for path in paths] == [first, second]


def test_large_file_is_noted_and_its_neighbours_are_read(shell: str, tmp_path: Path) -> None:
    sizes = {"a": LARGEST, "b": LARGEST + 1, "c": 3}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    os.truncate(tmp_path / "b", 1 << 40)
    files = read(shell, *(tmp_path / name for name in sizes)).files
    assert files[f"{tmp_path}/a"].content == b"x" * LARGEST
    assert files[f"{tmp_path}/b"].content is None
    assert "larger than 262144" in files[f"{tmp_path}/b"].note
    assert files[f"{tmp_path}/c"].content == b"xxx"


def test_all_files_together_stay_below_four_mebibytes(shell: str, tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(20)]
    for path in paths:
        path.write_bytes(b"x" * LARGEST)
    files = read(shell, *paths).files
    assert files[str(paths[0])].content is not None
    assert files[str(paths[-1])].content is None
    assert "together" in files[str(paths[-1])].note


def test_pipe_is_not_opened(shell: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = str(tmp_path / "pipe")
    assert read(shell, Path(path)).files[path] == NodeFile(path=path, kind="other")


def test_files_beyond_the_bound_are_noted(shell: str, tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(600)]
    for path in paths:
        path.write_bytes(b"x")
    facts = read(shell, *paths)
    assert len(facts.files) <= 500
    assert any("more than 500" in note for note in facts.notes)


def test_link_is_followed_to_a_file_only(shell: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "good").symlink_to("file")
    (tmp_path / "null").symlink_to("/dev/null")
    files = read(shell, tmp_path / "good", tmp_path / "null").files
    assert files[f"{tmp_path}/good"] == NodeFile(path=f"{tmp_path}/good", kind="link", link="file", content=b"x")
    assert files[f"{tmp_path}/null"] == NodeFile(path=f"{tmp_path}/null", kind="link", link="/dev/null")


def test_file_that_is_not_there_is_not_in_the_facts(shell: str, tmp_path: Path) -> None:
    assert f"{tmp_path}/none" not in read(shell, tmp_path / "none").files


def test_values_are_whole_under_every_shell(shell: str) -> None:
    # The shell's own read would stop after the first digit.
    value = (
        parse_answer(run_probe_locally(shell, ["net.core.somaxconn"]), nonce=NONCE, host="n")
        .sysctls["net.core.somaxconn"]
        .value
    )
    assert not isinstance(value, Unavailable)
    assert value == Path("/proc/sys/net/core/somaxconn").read_text().strip()
