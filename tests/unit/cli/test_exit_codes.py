"""The command line without any host: usage, files that do not load, help."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str, str]:
    try:
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    out, error = capsys.readouterr()
    return end.value.code, out, error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nope",), "No such command"),
        (("audit",), "PLAYBOOK"),
        (("inventory", "--nope"), "No such option: --nope"),
        (("audit", "stop-conntrack-reset"), "did you mean 'stop-conntrack-resets'?"),
        (("audit", "none.yaml"), "none.yaml: no such file"),
        (("audit", "stop-conntrack-resets", "-i", "none"), "fleet init"),
        (("audit", "stop-conntrack-resets", "--local", "-l", "web"), "--local has none"),
        (("plan",), "PLAYBOOK"),
        (("plan", "stop-conntrack-resets", "--templates", "none"), "none"),
        (("schema", "audits"), "did you mean 'audit'?"),
        (("audit", "stop-conntrack-resets", "--workers", "0"), "--workers"),
        (("audit", "stop-conntrack-resets", "-i", "{inventory}", "-l", "wbe"), "did you mean 'web'?"),
        (("audit", "stop-conntrack-resets", "-i", "{inventory}", "-l", "web and not web"), "no host selected"),
        (("audit", "stop-conntrack-resets", "--local", "-o", "none/x"), "cannot write none/x: there is no directory"),
        (("audit", "a\x1b[31mb"), r"a\x1b[31mb"),
        (("schema", "a\x1b[31mb"), r"a\x1b[31mb"),
        (("inventory", "-i", "{empty}"), "has no hosts"),
        (("inventory", "-i", "{broken}"), "hosts.yaml:2:1: not valid YAML"),
    ],
)
def test_what_cannot_be_carried_out_is_exit_2_with_words_on_stderr(
    arguments: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = {"inventory": "web: {}\n", "empty": "{}\n", "broken": "a: [\n"}
    for name, hosts in folders.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "hosts.yaml").write_text(hosts)
    code, out, error = run(capsys, *(word.format(**{name: name for name in folders}) for word in arguments))
    assert (code, out) == (2, "")
    assert told in error
    assert "Traceback" not in error


def test_an_edited_playbook_of_fleet_init_is_the_one_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init")[0] == 0
    Path("playbooks/stop-conntrack-resets.yaml").write_text("name: 1\n")
    code, _, error = run(capsys, "audit", "stop-conntrack-resets")
    assert code == 2
    assert "playbooks/stop-conntrack-resets.yaml:1:7: 'name' must be text" in error


def test_version_and_help_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version")[:2] == (0, "fleet 0.1.0.dev0\n")
    code, out, error = run(capsys, "audit", "--help")
    assert (code, error) == (0, "")
    assert "--limit" in out
    assert "Exit code 0" in out


def test_the_version_is_told_without_loading_what_parses_options_or_connects() -> None:
    program = """
import sys, fleet.cli.main
try:
    fleet.cli.main.main(["--version"])
finally:
    late = {"typer", "rich", "paramiko", "nornir", "pydantic", "sqlalchemy"}
    sys.exit(f"loaded: {found}" if (found := late & sys.modules.keys()) else 0)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_no_password_can_be_given_where_others_could_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "audit", "--help")
    assert "FLEET_SSH_PASSWORD" in out
    assert "--password" not in out


def test_a_prompt_that_nobody_can_answer_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("getpass.getpass", _no_terminal)
    code, _, error = run(capsys, "audit", "stop-conntrack-resets", "--local", "--ask-pass")
    assert code == 2
    assert "FLEET_SSH_PASSWORD" in error


def test_an_interrupt_at_a_prompt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("getpass.getpass", _interrupted)
    code, _, error = run(capsys, "facts", "--local", "--ask-pass")
    assert (code, error) == (130, "error: interrupted\n")


def _interrupted(*_: object, **__: object) -> str:
    raise KeyboardInterrupt


def _no_terminal(*_: object, **__: object) -> str:
    raise EOFError
