"""The command line without any host: usage, files that do not load, help."""

from pathlib import Path

import pytest

from fleet.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
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


def test_version_and_help_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version")[:2] == (0, "fleet 0.1.0.dev0\n")
    code, out, error = run(capsys, "audit", "--help")
    assert (code, error) == (0, "")
    assert "--limit" in out
    assert "Exit code 0" in out


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


def _no_terminal(*_: object, **__: object) -> str:
    raise EOFError
