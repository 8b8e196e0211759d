"""The program with streams that are closed, full or narrow, and with signals at inconvenient times."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.cli import FLEET, fleet

LOAD_INTERRUPTED = """
import sys
import fleet.cli.main


class Interrupted:
    def find_spec(self, *_):
        raise KeyboardInterrupt


sys.meta_path.insert(0, Interrupted())
fleet.cli.main.main(["schema"])
"""


def shell(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        capture_output=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "FLEET": FLEET, **environment},
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        timeout=60,
    )


def write_hosts(directory: Path, hosts: str) -> None:
    (directory / "inventory").mkdir()
    (directory / "inventory/hosts.yaml").write_text(hosts, encoding="utf-8")


def write_host_that_hangs(directory: Path) -> None:
    """One host behind a ProxyCommand that writes its process id into the file ``pid`` and then says nothing."""
    (directory / "ssh_config").write_text(f"Host *\n  ProxyCommand sh -c 'echo $$ > {directory}/pid; exec sleep 60'\n")
    write_hosts(
        directory, f"a: {{connection_options: {{fleet: {{extras: {{ssh_config: {directory}/ssh_config}}}}}}}}\n"
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_leave_the_exit_code_as_it_is(closed: str, tmp_path: Path) -> None:
    assert shell(f'"$FLEET" --version {closed}', tmp_path).returncode == 0
    assert shell(f'"$FLEET" audit nope {closed}', tmp_path).returncode == 2


@pytest.mark.parametrize("arguments", ["schema audit", "inventory", "--help"])
def test_a_full_disk_behind_stdout_is_said_and_is_no_bug(arguments: str, tmp_path: Path) -> None:
    write_hosts(tmp_path, "a:\n")
    ended = shell(f'"$FLEET" {arguments} >/dev/full', tmp_path)
    assert ended.returncode == 1
    assert "No space left on device" in ended.stderr
    assert "bug" not in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_reader_that_leaves_early_changes_no_exit_code(tmp_path: Path) -> None:
    write_hosts(tmp_path, "".join(f"host-{number}:\n" for number in range(5000)))
    with subprocess.Popen(
        [FLEET, "inventory"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_messages_that_nobody_reads_change_no_exit_code(tmp_path: Path) -> None:
    command = [FLEET, "init"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.close()
    assert process.returncode == 0
    assert (tmp_path / "playbooks/stop-conntrack-resets.yaml").exists()


def test_what_a_locale_cannot_show_is_escaped_on_tables_and_is_utf8_in_formats_for_programs(tmp_path: Path) -> None:
    write_hosts(tmp_path, "nöde:\n")
    table = fleet("inventory", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert (table.returncode, table.stderr) == (0, "")
    assert r"n\xf6de" in table.stdout
    json = shell('"$FLEET" inventory -f json', tmp_path, PYTHONIOENCODING="latin-1")
    assert json.returncode == 0
    assert "nöde" in json.stdout or r"n\u00f6de" in json.stdout


def test_a_link_given_as_output_stays_a_link(tmp_path: Path) -> None:
    write_hosts(tmp_path, "a:\n")
    (tmp_path / "latest.json").symlink_to("first.json")
    assert fleet("inventory", "-f", "json", "-o", "latest.json", cwd=tmp_path).returncode == 0
    assert (tmp_path / "latest.json").is_symlink()
    assert "fleet.inventory/1" in (tmp_path / "first.json").read_text()
    piped = fleet("inventory", "-f", "json", "-o", "/dev/stdout", cwd=tmp_path)
    assert (piped.returncode, piped.stdout) == (0, (tmp_path / "first.json").read_text())


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "SIGTERM"), (signal.SIGHUP, 129, "SIGHUP")],
)
def test_a_signal_ends_the_run_and_the_commands_it_has_started(
    number: signal.Signals, code: int, told: str, tmp_path: Path
) -> None:
    write_host_that_hangs(tmp_path)
    with subprocess.Popen([FLEET, "facts"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        proxy = _number_in(tmp_path / "pid")
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert told in error
    assert "Traceback" not in error
    with pytest.raises(ProcessLookupError):
        os.kill(proxy, 0)


def test_a_second_interrupt_changes_nothing(tmp_path: Path) -> None:
    write_host_that_hangs(tmp_path)
    with subprocess.Popen([FLEET, "facts"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        _number_in(tmp_path / "pid")
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "error: interrupted\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == 130


def test_an_interrupt_while_python_loads_shows_no_traceback(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOAD_INTERRUPTED], capture_output=True, check=False, cwd=tmp_path, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (130, "error: interrupted\n")


def test_a_user_without_home_and_name_can_audit_this_machine(tmp_path: Path) -> None:
    program = """
import os, pwd
os.environ.pop("HOME", None), os.environ.pop("USER", None), os.environ.pop("LOGNAME", None)
def unknown(key): raise KeyError(key)
pwd.getpwuid = pwd.getpwnam = unknown
import fleet.cli.main
fleet.cli.main.main(["audit", "--local", "conntrack-only", "-f", "json", "-o", "x"])
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, cwd=tmp_path, text=True, timeout=60
    )
    assert ended.returncode in {0, 3}, ended.stderr
    assert '"localhost"' in (tmp_path / "x").read_text()


def test_a_prompt_without_a_terminal_reads_no_password_in_the_open(tmp_path: Path) -> None:
    ended = subprocess.run(
        [FLEET, "facts", "--local", "--ask-pass"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        input="hunter2\n",
        start_new_session=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr == "error: Login password: no answer; where nobody can type, set $FLEET_SSH_PASSWORD\n"


def _number_in(path: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        text = path.read_text() if path.exists() else ""
        if text.endswith("\n"):
            return int(text)
        time.sleep(0.02)
    raise TimeoutError(f"{path} was not written")
