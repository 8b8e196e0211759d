"""The files for CI systems: what those systems accept, and what ``fleet`` understands."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from docs_commands import wrong_commands

from fleet.cli.app import app

EXAMPLES = Path(__file__).parents[3] / "examples" / "ci"
SCHEMAS = {"github-actions.yaml": "vendor.github-workflows", "gitlab-ci.yaml": "vendor.gitlab-ci"}


def test_each_example_has_a_schema() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == SCHEMAS.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_ci_system_accepts_the_example(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name], str(EXAMPLES / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_command_of_the_example_is_one_of_fleet(name: str, tmp_path: Path) -> None:
    lines = [line.strip() for script in _scripts(yaml.safe_load((EXAMPLES / name).read_text())) for line in script]
    assert {line.split()[1] for line in lines if line.startswith("fleet ")} == {"drift", "plan"}
    page = tmp_path / "page.md"
    page.write_text("\n".join(["```sh", *lines, "```", ""]))
    assert [*wrong_commands(tmp_path, [page], app)] == []
    page.write_text("```sh\nfleet drift --no-such\n```\n")
    assert [*wrong_commands(tmp_path, [page], app)] != []


@pytest.mark.parametrize("name", SCHEMAS)
def test_scripts_of_the_example_are_sound_shell(name: str) -> None:
    for script in _scripts(yaml.safe_load((EXAMPLES / name).read_text())):
        text = "\n".join(["#!/bin/bash", *script, ""])
        done = subprocess.run(
            [str(Path(sys.executable).with_name("shellcheck")), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout


def _scripts(data: object) -> Iterator[list[str]]:
    """The lines of each script."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "run":
                yield value.splitlines()
            elif key in {"script", "before_script"}:
                yield "\n".join(value).splitlines()
            else:
                yield from _scripts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _scripts(value)
