"""Where there are no namespaces to be had, the message says why."""

import os
from pathlib import Path

import pytest

from fleet.model.errors import ProofError
from fleet.prove import bench, prepare

REFUSED = "unshare: unshare failed: Operation not permitted"


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which the kernel refuses; the path of a setting that may be why."""
    (tmp_path / "unshare").write_text(f"#!/bin/sh\necho '{REFUSED}' >&2\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setattr(bench, "SEARCH_PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(bench, "_FORBIDDEN", {str(tmp_path / "setting"): ("0", "user.max_user_namespaces is 0")})
    return tmp_path / "setting"


@pytest.mark.parametrize(
    ("uid", "setting", "advice"),
    [
        (1000, "0\n", " (user.max_user_namespaces is 0); run it as root, for instance with sudo"),
        (1000, "9\n", "; run it as root, for instance with sudo"),
        (0, "0\n", "; start the container with --privileged, or use a virtual machine"),
    ],
)
def test_a_refusal_is_told_with_its_reason_and_what_to_do(
    refused: Path, monkeypatch: pytest.MonkeyPatch, uid: int, setting: str, advice: str
) -> None:
    refused.write_text(setting)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(ProofError) as told:
        prepare()
    assert str(told.value) == f"this machine gives us no network namespace: {REFUSED}{advice}"


def test_a_machine_without_unshare_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "SEARCH_PATH", str(tmp_path))
    with pytest.raises(ProofError, match="unshare is not installed"):
        prepare()
