"""``fleet schedule`` and the options of ``fleet drift`` that go with it, as an operator types them."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.drift import PLAYBOOK

from fleet.cli.main import main


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLEET_INVENTORY", raising=False)
    (tmp_path / "play.yaml").write_text(PLAYBOOK)
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yaml").write_text("web-1: {}\n")


def run(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([*arguments])
    said = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, said.out, said.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code, out, err = run(capsys, ["schedule", "install", *arguments, "--dry-run"])
    assert (code, out) == (2, "")
    return err


def test_dry_run_shows_the_line_of_cron_and_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    arguments = ["play.yaml", "--every", "1h", "--limit", "web-*", "--become", "sudo", "--metrics", "m.prom", "--cron"]
    code, out, err = run(capsys, ["schedule", "install", *arguments, "--dry-run"])
    assert (code, err) == (0, "")
    assert out.startswith("# /etc/cron.d/fleet-drift-play\n# Made by `fleet schedule install`")
    wanted = f"drift {tmp_path}/play.yaml --inventory {tmp_path}/inventory --limit 'web-*' --become sudo"
    assert f"{wanted} --metrics {tmp_path}/m.prom --state-dir {tmp_path}/.fleet\n" in out
    assert f" root cd {tmp_path} && flock -n {tmp_path}/.fleet " in out
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either --every, such as 15m, or --on-calendar"),
        (("--every", "1h", "--on-calendar", "daily"), "either --every, such as 15m, or --on-calendar"),
        (("--every", "30s"), "--every must be at least 1m"),
        (("--every", "2d"), "must be a time with its unit"),
        (("--every", "25h"), "for more than a day use --on-calendar"),
        (("--every", "1h", "--limit", "db-*"), "the inventory has no host, group or data field 'db-*'"),
        (("--every", "1h", "--metrics", "m.txt"), "names end in .prom"),
        (("--every", "1h", "--metrics", "gone/m.prom"), "there is no directory gone"),
        (("--every", "1h", "--notify", "ops"), "notify.yaml: no such file"),
        (("--every", "1h", "--name", "../x"), "cannot be the --name of a schedule"),
        (("--every", "1h", "--cron", "--environment", "e"), "--environment is systemd's"),
    ],
)
def test_what_could_not_run_later_is_refused_now(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert message in refused(capsys, "play.yaml", *arguments)


def test_environment_file_that_others_may_read_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("FLEET_BECOME_PASSWORD=x\n")
    (tmp_path / "secrets").chmod(0o640)
    said = refused(capsys, "play.yaml", "--every", "1h", "--environment", "secrets")
    assert "secrets: others may read the secrets in it (chmod 600 " in said


def test_target_that_the_file_does_not_have_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "notify.yaml").write_text("targets:\n  ops: {kind: slack, url_env: OPS}\n")
    assert "did you mean 'ops'" in refused(capsys, "play.yaml", "--every", "1h", "--notify", "osp")
    code, out, _ = run(
        capsys, ["schedule", "install", "play.yaml", "--every", "1h", "--notify", "ops", "--cron", "--dry-run"]
    )
    assert code == 0
    assert f"--notify ops --notify-file {tmp_path}/notify.yaml" in out


def test_drift_refuses_its_targets_and_metrics_before_it_asks_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, ["drift", "play.yaml", "--metrics", "m.txt"])
    assert (code, out) == (2, "")
    assert "m.txt: the textfile collector reads only files whose names end in .prom" in err
    code, out, err = run(capsys, ["drift", "play.yaml", "--notify", "ops"])
    assert (code, out) == (2, "")
    assert "notify.yaml: no such file" in err
