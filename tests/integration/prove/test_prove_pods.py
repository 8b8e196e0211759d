"""The pods of the manifests, played in namespaces: red without a fix, green with one, with no more rights than said."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import cluster_pods

from fleet.kernel.invalid import BE_LIBERAL
from fleet.prove import manifests
from fleet.prove.bench import NAMESPACES, SEARCH_PATH
from fleet.prove.inside.world import SERVICE

pytestmark = pytest.mark.root

INSIDE = Path(__file__).parents[3] / "fleet/prove/inside"
ALONE = ["setpriv", "--no-new-privs", "--inh-caps=-all"]


def container(documents: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = (d for d in documents if d["kind"] == "Deployment" and d["metadata"]["name"] == name)
    (only,) = found["spec"]["template"]["spec"]["containers"]
    return dict(only)


def command(documents: list[dict[str, Any]], name: str) -> list[str]:
    """As the kubelet would have it run, but for the Service's name, which has no DNS here."""
    spec = container(documents, name)
    context = spec["securityContext"]
    kept = "".join(f",+{each.lower()}" for each in context["capabilities"].get("add", ()))
    who = [f"--reuid={context['runAsUser']}", f"--regid={context['runAsUser']}", "--clear-groups"]
    words = [*spec["command"]]
    if name == "client":
        words[-2] = SERVICE[0]
    return [*ALONE, *who, f"--bounding-set=-all{kept}", *words]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the ConfigMap is mounted: tmp_path is for root only, and the client is nobody."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def played(folder: Path, values: Mapping[str, str], *, invalid_rule: bool) -> dict[str, Any]:
    documents = list(yaml.safe_load_all(manifests()))
    (programs,) = (d["data"] for d in documents if d["kind"] == "ConfigMap")
    for item in documents[-1]["spec"]["template"]["spec"]["volumes"][0]["configMap"]["items"]:
        path = folder / item["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(programs[item["key"]])
        assert path.read_bytes() == (INSIDE / item["key"]).read_bytes()
    asked = {
        "values": values,
        "invalid_rule": invalid_rule,
        "folder": str(folder),
        "server": command(documents, "server"),
        "client": command(documents, "client"),
    }
    done = subprocess.run(
        ["unshare", *NAMESPACES, sys.executable, cluster_pods.__file__],
        input=json.dumps(asked),
        env={"PATH": SEARCH_PATH, "PYTHONPATH": str(INSIDE.parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_without_a_fix_the_client_tells_the_reset(folder: Path) -> None:
    told = played(folder, {}, invalid_rule=False)
    assert told["outcomes"] == {"reset": 5}
    assert told["verdict"].startswith("not protected: ")
    assert told["counters"]["TcpOutRsts"] == 5


def test_with_be_liberal_the_segment_comes_through_and_harms_nobody(folder: Path) -> None:
    told = played(folder, {BE_LIBERAL: "1"}, invalid_rule=False)
    assert told["outcomes"] == {"alive": 5}
    assert "as with be_liberal" in told["verdict"] or "TcpExtBeyondWindow" not in told["counters"]


def test_with_the_rule_the_segment_does_not_come_through(folder: Path) -> None:
    told = played(folder, {}, invalid_rule=True)
    assert told["outcomes"] == {"alive": 5}
    assert "TcpExtBeyondWindow" not in told["counters"]
