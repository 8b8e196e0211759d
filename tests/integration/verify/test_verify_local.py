"""``fleet verify --local``: pytest as an engine, told as other commands tell theirs, without SSH and without root."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from support.cli import FLEET, fleet

from fleet.report.schema import schemas

KEY = "net.ipv4.tcp_fin_timeout"
# A key of this machine: what it is does not matter, only that it is no negative number.
PLAYBOOK = f"""\
name: Verify this machine
controls:
  - id: good
    title: It is a number
    impact: low
    setting: {{sysctl: {KEY}}}
    state: live
    expect: {{at_least: 0}}
    why: w
"""
BROKEN = f"""\
  - id: broken
    title: It is a larger number than there is
    impact: high
    setting: {{sysctl: {KEY}}}
    state: live
    expect: {{at_least: 99999999}}
    why: w
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "play.yaml"
    path.write_text(PLAYBOOK)
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.yaml"
    path.write_text(PLAYBOOK + BROKEN)
    return path


def own_tests(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "test_own.py").write_text(text)
    return folder


@pytest.mark.parametrize("more", [(), ("--independent",)], ids=["facts", "independent"])
def test_what_holds_passes(good: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    done = fleet("verify", good, "--local", *more, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 host, 1 test: 1 passed\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".fleet", "play.yaml"]


@pytest.mark.parametrize("more", [(), ("--independent",)], ids=["facts", "independent"])
def test_what_does_not_hold_is_told_like_a_finding(broken: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    done = fleet("verify", broken, "--local", *more, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("✗ failed  broken  localhost\n  is ")
    assert "expected at least 99999999" in done.stdout
    assert done.stdout.endswith("\n1 host, 2 tests: 1 failed, 1 passed\n")


def test_json_and_junit_are_written(broken: Path, tmp_path: Path) -> None:
    done = fleet("verify", broken, "--local", "-f", "json", "--junit", "out.xml", cwd=tmp_path)
    data = json.loads(done.stdout)
    jsonschema.Draft202012Validator(schemas()["verify"]).validate(data)
    assert [test["outcome"] for test in data["hosts"]["localhost"]["tests"]] == ["passed", "failed"]
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "out.xml").iter("testcase")}  # noqa: S314 our own
    assert set(cases) == {"host-answers[localhost]", "good[localhost]", "broken[localhost]"}
    failure = cases["broken[localhost]"].find("failure")
    assert failure is not None
    assert "expected at least 99999999" in (failure.text or "")
    assert "Traceback" not in (failure.text or "")


def test_tests_of_your_own_run_beside_it_with_their_fixtures_and_not_with_their_options(
    good: Path, tmp_path: Path
) -> None:
    folder = own_tests(
        tmp_path,
        "import pytest\n"
        "def check_good(host, number):\n    assert host.sysctl('kernel.ostype') == 'Linux' and number == 7\n"
        "@pytest.mark.slow\n"
        "def check_bad(host):\n    assert host.file('/proc').is_file\n",
    )
    (folder / "conftest.py").write_text("import pytest\n@pytest.fixture\ndef number():\n    return 7\n")
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --no-such-option --strict-markers\nmarkers = slow\npython_functions = check_*\n"
    )
    done = fleet("verify", good, "--local", "--tests", folder, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "✗ failed  own/test_own.py::check_bad  localhost\n" in done.stdout
    assert "<file /proc>.is_file" in done.stdout
    assert done.stdout.endswith("\n1 host, 3 tests: 1 failed, 2 passed\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("testinfra_hosts = ['fleet://nobody']\ndef test_a(host): ...\n", "no host, group or data field 'nobody'"),
    ],
)
def test_tests_that_do_not_load_are_a_usage_error(good: Path, tmp_path: Path, text: str, said: str) -> None:
    done = fleet("verify", good, "--local", "--tests", own_tests(tmp_path, text), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.startswith("error: tests do not load\n")


def test_a_path_without_tests_is_a_usage_error(good: Path, tmp_path: Path) -> None:
    done = fleet("verify", good, "--local", "--tests", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: no such file or directory: nowhere\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_the_middle_of_a_test(good: Path, tmp_path: Path, number: int, code: int) -> None:
    folder = own_tests(tmp_path, "def test_a(host):\n    host.run('echo > started; exec sleep 60')\n")
    with subprocess.Popen(
        [FLEET, "verify", str(good), "--local", "--tests", str(folder)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = monotonic() + 60
        while not (tmp_path / "started").exists():
            assert process.poll() is None
            assert monotonic() < deadline
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, "Traceback" in err) == (code, "", False), err


def test_no_other_command_waits_for_pytest() -> None:
    program = "import sys; import fleet.cli.audit, fleet.cli.plan; print({'pytest', 'testinfra'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=60)
    assert done.stdout == "set()\n"


def test_the_plugin_costs_other_runs_of_pytest_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "import sys\ndef test_a():\n    assert not {'fleet.verify.begin', 'paramiko', 'nornir'} & sys.modules.keys()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", str(tmp_path)],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
