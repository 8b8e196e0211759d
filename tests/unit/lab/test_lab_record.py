import fcntl
import json
import os
import threading
from pathlib import Path

import pytest

from fleet.lab.record import LabRecord, lab_paths, load, locked, save
from fleet.model.errors import LabError, UsageError

RECORD = LabRecord(token="0123456789abcdef" * 2, nodes=3, seed=7, subnet="198.18.4.0/22")


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    paths = lab_paths(tmp_path, "one")
    paths.root.mkdir(parents=True)
    save(paths, RECORD)
    assert load(paths) == RECORD
    assert [path.name for path in paths.root.iterdir()] == ["lab.json"]


def test_a_lab_that_was_cut_off_before_its_record_has_none(tmp_path: Path) -> None:
    paths = lab_paths(tmp_path, "one")
    paths.root.mkdir(parents=True)
    assert load(paths) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"schema": "fleet.lab/2", "token": RECORD.token}),
        json.dumps({"schema": "fleet.lab/1", "token": "", "nodes": 1, "seed": 1}),
        json.dumps({"schema": "fleet.lab/1", "token": RECORD.token, "nodes": 1, "seed": 1, "more": 1}),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    paths = lab_paths(tmp_path, "one")
    paths.root.mkdir(parents=True)
    paths.record.write_text(text)
    with pytest.raises(LabError, match=r"lab\.json"):
        load(paths)


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "A", "-a", "a b", "a" * 33, "a\n"])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a lab"):
        lab_paths(tmp_path, name)


def test_only_one_command_at_a_time_works_on_a_lab(tmp_path: Path) -> None:
    paths = lab_paths(tmp_path, "one")
    paths.root.mkdir(parents=True)
    with locked(paths), pytest.raises(LabError, match="another `fleet lab` command"), locked(paths):
        pass
    with locked(paths):
        pass


def test_a_lock_that_is_about_to_end_is_waited_for(tmp_path: Path) -> None:
    paths = lab_paths(tmp_path, "one")
    paths.root.mkdir(parents=True)
    handle = os.open(paths.root, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    releaser = threading.Timer(0.2, os.close, [handle])
    releaser.start()
    with locked(paths):
        releaser.join()


def test_interface_names_fit_the_kernel() -> None:
    assert len(RECORD.uplink) <= 15
