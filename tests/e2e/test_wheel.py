"""What is installed is what was tested: the wheel alone carries everything."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as pip would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, check=True, cwd=ROOT, capture_output=True, timeout=120)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path.insert(0, {str(site)!r}); from fleet.cli.main import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=cwd, capture_output=True, check=False, text=True, timeout=120
    )


def test_the_wheel_carries_scripts_profiles_and_examples(unpacked_wheel: Path) -> None:
    names = {str(path.relative_to(unpacked_wheel)) for path in unpacked_wheel.rglob("*") if path.is_file()}
    assert {
        *(str(path.relative_to(ROOT)) for path in ROOT.glob("fleet/**/*.sh")),
        *(str(path.relative_to(ROOT)) for path in ROOT.glob("fleet/report/page/*/*.*")),
        "fleet/drift/history/migrations/env.py",
        *(str(path.relative_to(ROOT)) for path in ROOT.glob("fleet/drift/history/migrations/versions/v*.py")),
        "fleet/facts/probe/probe.sh",
        "fleet/policy/profiles/conntrack.yaml",
        "fleet/shipped/inventory/hosts.yaml",
        "fleet/shipped/playbooks/stop-conntrack-resets.yaml",
        "fleet/shipped/templates/sysctl.conf.j2",
        "fleet/py.typed",
    } <= names


def test_the_installed_program_starts_a_project_and_audits_this_machine(unpacked_wheel: Path, tmp_path: Path) -> None:
    started = run(unpacked_wheel, tmp_path, "init")
    assert started.returncode == 0, started.stderr
    assert (tmp_path / "playbooks" / "stop-conntrack-resets.yaml").exists()
    listed = run(unpacked_wheel, tmp_path, "inventory", "-l", "k3s and not maintenance")
    assert (listed.returncode, "k3s-agent-2" in listed.stdout) == (0, False), listed.stderr
    audited = run(unpacked_wheel, tmp_path, "audit", "--local", "playbooks/stop-conntrack-resets.yaml")
    assert audited.returncode in {0, 3}, audited.stderr
    assert "localhost" in audited.stdout
    told = run(unpacked_wheel, tmp_path, "audit", "--local", "conntrack-only", "-f", "json", "-o", "audit.json")
    assert told.returncode in {0, 3}, told.stderr
    node = json.loads((tmp_path / "audit.json").read_text())["hosts"]["localhost"]["node"]
    assert node["kernel"] == os.uname().release
    page = run(unpacked_wheel, tmp_path, "report", "audit.json")
    assert (page.returncode, "Kernel audit of 1 host<" in page.stdout) == (0, True), page.stderr
    drifted = run(unpacked_wheel, tmp_path, "drift", "--local", "conntrack-only")
    assert (drifted.returncode in {0, 3}, drifted.stderr) == (True, "")
    verified = run(unpacked_wheel, tmp_path, "verify", "--local", "conntrack-only")
    assert (verified.returncode in {0, 3}, verified.stderr) == (True, "")
    assert verified.stdout.splitlines()[-1].startswith("1 host, ")


def test_init_keeps_what_is_there(unpacked_wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    mine = tmp_path / "inventory" / "hosts.yaml"
    mine.write_text("mine: {}\n")
    assert run(unpacked_wheel, tmp_path, "init").returncode == 0
    assert mine.read_text() == "mine: {}\n"
    again = run(unpacked_wheel, tmp_path, "init")
    assert (again.returncode, "nothing to do" in again.stderr) == (2, True)
