"""What the program loads, which is most of what a short command costs."""

import gc
import os
import subprocess
import sys

import pytest
from typer.main import get_command

from fleet.cli import loading
from fleet.cli.app import COMMANDS, app

LOADED = """
import sys

from fleet.cli.main import main

try:
    main(sys.argv[1:])
except SystemExit:
    print("loaded:", *sys.modules)
"""


def loaded_by(*arguments: str) -> set[str]:
    """Every module that is there once a command has ended."""
    run = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
        timeout=60,
    )
    return set(run.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_list_of_commands_has_the_first_sentence_of_what_each_says_of_itself(name: str) -> None:
    command = get_command(app).commands[name]  # type: ignore[attr-defined] # it is a group
    assert command.get_short_help_str(500) == COMMANDS[name]


def test_list_of_commands_loads_none_of_them() -> None:
    modules = loaded_by("--help")
    assert not {f"fleet.cli.{name}" for name in COMMANDS} & modules
    assert not {"paramiko", "nornir", "sqlalchemy", "jinja2"} & modules


def test_version_is_told_without_loading_what_parses_options() -> None:
    assert not {"typer", "pydantic", "pathlib"} & loaded_by("--version")


def test_audit_loads_nothing_of_what_only_other_commands_do() -> None:
    modules = loaded_by("audit", "--help")
    assert {"fleet.cli.audit", "paramiko"} <= modules
    rooms = {"plan", "render", "rollout", "verify", "prove", "diagnose", "lab"}
    assert not {name for name in modules if name.startswith("fleet.") and name.split(".")[1] in rooms}
    assert not {"invoke", "asyncio", "sqlalchemy", "alembic", "pytest", "xml"} & modules


def test_garbage_is_looked_for_again_once_a_command_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_threshold()
    monkeypatch.delitem(sys.modules, "invoke", raising=False)
    try:
        loading.begin()
        assert not gc.isenabled()
        assert sys.modules["invoke"] is None
        loading.is_done()
        assert gc.isenabled()
        assert "invoke" not in sys.modules
    finally:
        gc.enable()
        gc.unfreeze()
        gc.set_threshold(*before)
