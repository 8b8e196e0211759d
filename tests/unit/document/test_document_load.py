"""Files that are not there, or are not files."""

import os
from pathlib import Path

import pytest

from fleet.document import StrictModel, load_document, load_mapping
from fleet.model.errors import DocumentError


class Named(StrictModel):
    name: str


def test_a_file_is_loaded_as_its_model(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: x\n")
    assert load_document(path, Named) == Named(name="x")
    assert load_document(str(path), Named) == Named(name="x")


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "playbook.yaml").write_text("name: x\n")
    with pytest.raises(DocumentError) as refusal:
        load_mapping(tmp_path / "playbok.yaml")
    assert str(refusal.value) == f"{tmp_path}/playbok.yaml: no such file (did you mean 'playbook.yaml'?)"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as refusal:
        load_mapping(tmp_path / "gone" / "a.yaml")
    assert f"there is no directory {tmp_path}/gone either" in str(refusal.value)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"is a directory \(name a file in it\)"):
        load_mapping(tmp_path)


def test_a_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DocumentError, match="is not a regular file"):
        load_mapping(tmp_path / "pipe")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: x\n")

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)  # root may read whatever the mode says
    with pytest.raises(DocumentError, match=r"may not be read \(allow it: chmod a\+r"):
        load_mapping(path)


def test_a_name_that_is_no_file_name_is_refused() -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        load_mapping("x" * 5000)


def test_the_top_level_must_be_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- 1\n")
    with pytest.raises(DocumentError, match=r"a.yaml:1:1: the file must hold a mapping of keys to values"):
        load_mapping(path)
