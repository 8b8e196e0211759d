"""Schedules on a machine that systemd runs: real units, hardened, that check a real sshd."""

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.node import Node, until
from support.prometheus import samples
from support.sshd import SSHD, make_key
from support.systemd_node import systemd_node

import fleet
from fleet.drift.schedule.systemd import Systemd
from fleet.drift.schedule.units import MARK, timer_unit
from fleet.model.schedule import Schedule

pytestmark = pytest.mark.root

FIN = "net.ipv4.tcp_fin_timeout"
PLACE = "/root/my fleet %h $HOME 100%"
METRICS = "/var/lib/node exporter"
UNITS = "/etc/systemd/system"
STAMPS = "/var/lib/systemd/timers"
PROGRAM = "/opt/bin/fleet"
PLAYBOOK = f"""\
name: Hold it
controls:
  - id: fin
    title: Sockets close in time
    impact: high
    setting: {{sysctl: {FIN}}}
    expect: {{at_most: 40}}
    set: 30
    why: They are many.
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    if Path(sys.prefix).is_relative_to("/tmp"):  # noqa: S108 nothing is made there
        pytest.skip("the node has a /tmp of its own, so it does not see the Python that runs the tests")
    with systemd_node(tmp_path_factory.mktemp("node")) as machine:
        booted = machine.boot()
        # What systemd puts into the /dev of a service of its own.
        booted.run("mknod", "-m", "666", "/dev/tty", "c", "5", "0")
        _install_fleet(booted)
        _serve_ssh(booted)
        _write(booted, f"{PLACE}/play.yaml", PLAYBOOK)
        _write(booted, f"{PLACE}/inventory/hosts.yaml", "web-1: {hostname: 127.0.0.1, port: 2222}\n")
        _write(
            booted, f"{PLACE}/inventory/defaults.yaml", "connection_options: {fleet: {extras: {accept_new: true}}}\n"
        )
        _write(booted, f"{PLACE}/environment", "PYTHONPATH=/opt/sources\n").chmod(0o600)
        booted.at(METRICS).mkdir(parents=True)
        yield booted


def _install_fleet(node: Node) -> None:
    """Where a service without the folders for temporary files sees it, wherever this checkout is."""
    shutil.copytree(Path(fleet.__file__).parent, node.at("/opt/sources/fleet"))
    node.at("/opt/venv").mkdir()
    node.run("mount", "--bind", sys.prefix, "/opt/venv")
    text = "#!/opt/venv/bin/python\nfrom fleet.cli.main import main\nmain()\n"
    _write(node, PROGRAM, text).chmod(0o755)


def _serve_ssh(node: Node) -> None:
    home = node.at("/root/.ssh")
    home.mkdir(mode=0o700, exist_ok=True)
    for path in home.iterdir():
        path.unlink()
    key = make_key(home / "id_ed25519")
    make_key(home / "host")
    (home / "authorized_keys").write_text(Path(f"{key}.pub").read_text())
    (home / "known_hosts").touch()
    node.at("/run/sshd").mkdir(exist_ok=True)
    options = ("ListenAddress=127.0.0.1:2222", "HostKey=/root/.ssh/host", "UsePAM=no", "PermitRootLogin=yes")
    words = [word for option in options for word in ("-o", option)]
    node.run("systemd-run", "--quiet", "--unit=test-sshd", SSHD, "-D", "-e", "-f", "/dev/null", *words)
    until(lambda: "127.0.0.1:2222" in node.run("ss", "-Hltn"), "sshd")


def _write(node: Node, path: str, text: str) -> Path:
    found = node.at(path)
    found.parent.mkdir(parents=True, exist_ok=True)
    found.write_text(text)
    return found


def schedule(node: Node, *arguments: str, code: int = 0) -> str:
    words = ("env", f"--chdir={PLACE}", "PYTHONPATH=/opt/sources", PROGRAM, "schedule", *arguments)
    done = subprocess.run(node.command(*words), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def properties(node: Node, unit: str, *names: str) -> dict[str, str]:
    lines = node.run("systemctl", "show", unit, f"--property={','.join(names)}").splitlines()
    return dict(line.partition("=")[::2] for line in lines)


def left(node: Node) -> list[Path]:
    folders = [node.at(UNITS), node.at(STAMPS)]
    return [path for folder in folders for path in folder.rglob("*fleet-drift*")]


def test_scheduled_check_runs_hardened_and_reads_keys_and_writes_history_and_metrics(node: Node) -> None:
    node.set_value(FIN, "60")
    more = ("--metrics", f"{METRICS}/fleet.prom", "--environment", "environment", "--limit", "web-*")
    told = schedule(node, "install", "play.yaml", "--every", "15m", *more)
    assert f"written  {UNITS}/fleet-drift-play.timer" in told
    node.run("systemctl", "start", "fleet-drift-play.service")
    assert properties(node, "fleet-drift-play.service", "Result", "ExecMainStatus") == {
        "Result": "success",
        "ExecMainStatus": "3",
    }
    metrics = node.at(f"{METRICS}/fleet.prom")
    assert samples(metrics.read_text())["fleet_drift_hosts", (("playbook", "Hold it"), ("status", "drift"))] == 1
    assert metrics.stat().st_mode & 0o777 == 0o644
    assert node.at(f"{PLACE}/.fleet/history.db").stat().st_mode & 0o77 == 0
    assert "[127.0.0.1]:2222 ssh-ed25519 " in node.at("/root/.ssh/known_hosts").read_text()
    assert properties(node, "fleet-drift-play.timer", "ActiveState", "UnitFileState") == {
        "ActiveState": "active",
        "UnitFileState": "enabled",
    }
    shown = schedule(node, "show").splitlines()
    assert shown[0].split("  ")[0] == "schedule"
    assert re.fullmatch(r"play( +\d{4}-\d\d-\d\dT[\d:]{8}Z){2} +exit 3", shown[1])
    schedule(node, "remove", "play")
    assert left(node) == []
    assert "fleet-drift" not in node.run("systemctl", "list-units", "--all", "--plain", "--no-legend")


def test_check_that_fails_fails_its_unit(node: Node) -> None:
    _write(node, f"{PLACE}/gone/hosts.yaml", "web-1: {hostname: 127.0.0.1, port: 1}\n")
    told = schedule(
        node, "install", "play.yaml", "--on-calendar", "daily", "-i", "gone", "--environment", "environment"
    )
    assert "to check now: systemctl start fleet-drift-play.service" in told
    node.run("systemctl", "start", "fleet-drift-play.service", check=False)
    assert properties(node, "fleet-drift-play.service", "Result", "ExecMainStatus") == {
        "Result": "exit-code",
        "ExecMainStatus": "1",
    }
    [stamp] = node.at(STAMPS).glob("*fleet-drift*")
    assert stamp.exists()
    assert schedule(node, "show").splitlines()[1].endswith("exit 1")
    schedule(node, "remove", "play")
    assert left(node) == []


def test_what_others_have_made_is_neither_replaced_nor_removed(node: Node) -> None:
    foreign = _write(node, f"{UNITS}/fleet-drift-play.service", "[Service]\nExecStart=/bin/true\n")
    told = schedule(node, "install", "play.yaml", "--every", "1h", code=2)
    assert f"{UNITS}/fleet-drift-play.service is there and was not made by fleet schedule" in told
    assert "no schedule 'play'" in schedule(node, "remove", "play", code=2)
    assert foreign.read_text() == "[Service]\nExecStart=/bin/true\n"
    assert left(node) == [foreign]
    foreign.unlink()


def test_same_schedule_is_replaced_by_a_new_installation(node: Node) -> None:
    for every in ("1h", "2h"):
        schedule(node, "install", "play.yaml", "--every", every, "--name", "again")
    assert "OnUnitActiveSec=7200s" in node.at(f"{UNITS}/fleet-drift-again.timer").read_text()
    schedule(node, "remove", "again")
    assert left(node) == []


def test_any_word_path_and_folder_reaches_the_command_as_it_was_given(node: Node) -> None:
    chars = random.Random(0)  # noqa: S311 a test's words
    alphabet = "aZ0 \\\"'%$;#{}()<>|&*?[]~`!@^=+-_,.:/é\u4e2d"
    words = ["", "%h", "$HOME", "${HOME}", "$$", "\\n", "\\", ";", "-", "@x", "a  b", "'", '"', "%%", "#c"]
    words += ["".join(chars.choices(alphabet, k=chars.randrange(1, 12))) for _ in range(300)]
    folder = f"/srv/{''.join(chars.choices(alphabet.replace('/', ''), k=60))}x"
    program = "/srv/a b%h$HOME/pro%gram"
    _write(node, program, '#!/bin/sh\npwd >out\nprintf "%s\\0" "$VALUE" "$@" >>out\n').chmod(0o755)
    _write(node, f"{folder}/environment", "VALUE=set\n")
    wanted = Schedule(
        name="words",
        command=(program, *words),
        directory=Path(folder),
        every=3600,
        calendar=None,
        state_dir=Path(folder),
        environment=Path(f"{folder}/environment"),
    )
    systemd = Systemd(units=node.at(UNITS), of_root=True, known_hosts=Path(f"{folder}/known_hosts"))
    for path, text in systemd.files(wanted).items():
        path.write_text(text)
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "start", "fleet-drift-words.service")
    place, _, given = node.at(f"{folder}/out").read_bytes().decode().partition("\n")
    assert place == folder
    assert given.split("\0") == ["set", *words, ""]
    for path in systemd.files(wanted):
        path.unlink()
    node.run("systemctl", "daemon-reload")


def test_units_are_found_sound_and_little_exposed(node: Node) -> None:
    schedule(node, "install", "play.yaml", "--on-calendar", "Mon..Fri 06:00", "--metrics", f"{METRICS}/fleet.prom")
    units = [f"{UNITS}/fleet-drift-play.{kind}" for kind in ("service", "timer")]
    checked = subprocess.run(
        node.command("systemd-analyze", "verify", *units), capture_output=True, text=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    # In tenths: it fails when the service is more exposed.
    node.run("systemd-analyze", "security", "--offline=yes", "--threshold=16", "--no-pager", units[0])
    schedule(node, "remove", "play")


def test_mark_is_the_first_line_of_a_timer() -> None:
    wanted = Schedule(name="x", command=("/x",), directory=Path("/"), every=60, calendar=None, state_dir=Path("/"))
    assert timer_unit(wanted).startswith(f"{MARK}\n")
