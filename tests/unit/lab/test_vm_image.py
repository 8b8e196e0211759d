"""Where images are kept, and when a kept one is taken."""

import subprocess
from pathlib import Path

import pytest

from fleet.lab.vm import accelerator
from fleet.lab.vm.cache import cache_directory
from fleet.lab.vm.image import fingerprint


def test_the_cache_is_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "fleet" / "vm"


def test_a_relative_cache_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "fleet" / "vm"


def test_each_release_has_an_image_of_its_own() -> None:
    assert fingerprint("bookworm") == fingerprint("bookworm")
    assert fingerprint("bookworm") != fingerprint("trixie")


@pytest.mark.parametrize(("status", "said", "chosen"), [(0, "VFS: Unable to mount root fs", "kvm"), (1, "", "tcg")])
def test_kvm_is_tried_once_and_the_answer_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, said: str, chosen: str
) -> None:
    trials = tmp_path / "trials"
    program = tmp_path / "qemu-system-x86_64"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && {{ echo QEMU 1; exit; }}\necho trial >>{trials}\n'
        f"echo 'Kernel panic - not syncing: {said}'\nexit {status}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(accelerator, "KVM", device)
    assert [accelerator.choose_accelerator(tmp_path) for _ in range(2)] == [chosen, chosen]
    assert trials.read_text() == "trial\n"


def test_without_the_device_kvm_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "KVM", tmp_path / "none")
    monkeypatch.setattr(subprocess, "run", None)
    assert accelerator.choose_accelerator(tmp_path) == "tcg"
