"""What ``fleet audit --pods`` says of nodes with processes in network namespaces of their own."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml
from support.cli import fleet
from support.lab import running_lab, ssh

from fleet import lab
from fleet.report.schema import schemas

pytestmark = pytest.mark.root

FORMATS = ("json", "markdown", "junit")
COMMAND = ("audit", "stop-conntrack-resets", "--pods")
PORT_RANGE = "net.ipv4.ip_local_port_range"
SOMAXCONN = "net.core.somaxconn"
START = (
    f"sysctl -qw {SOMAXCONN}=16384; for name in web-1 web-2 web-3; do setsid unshare --net sh -c "
    "'echo up >/run/up-$0; exec sleep 600' $name </dev/null >/dev/null 2>&1 & done; "
    "until [ -e /run/up-web-1 ] && [ -e /run/up-web-2 ] && [ -e /run/up-web-3 ]; do :; done"
)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """Four nodes, one of which has a port range of its own and three processes without it."""
    with running_lab(tmp_path_factory.mktemp("lab"), 4) as built:
        assert ssh(built, hardened(built), START).returncode == 0
        yield built


def hardened(nodes: lab.Lab) -> str:
    [node] = [node for node in nodes.nodes if lab.Planted.PORT_RANGE_OVER_NODEPORTS in node.planted]
    return node.name


def test_the_details_end_with_lines_to_paste_that_a_pod_takes(nodes: lab.Lab, tmp_path: Path) -> None:
    text = fleet(*COMMAND, "-v", "-i", nodes.inventory, cwd=tmp_path).stdout
    paragraph = next(part for part in text.split("\n\n") if part.startswith("What gives pods the values of their node"))
    _, where, rest = paragraph.partition(f"  on {hardened(nodes)}\n")
    assert where
    block, _, flag = rest.partition("  with the kubelet's flag\n")
    assert yaml.safe_load(block) == {
        "securityContext": {
            "sysctls": [
                {"name": SOMAXCONN, "value": "16384"},
                {"name": PORT_RANGE, "value": "1024 65535"},
            ]
        }
    }
    assert flag.strip() == f"--allowed-unsafe-sysctls={SOMAXCONN}"
    assert f"3 of 3 sampled network namespaces run with {SOMAXCONN} 4096 (the kernel's default)" in text


def test_every_format_has_the_same_remedy(nodes: lab.Lab, tmp_path: Path) -> None:
    told = {form: fleet(*COMMAND, "-f", form, "-i", nodes.inventory, cwd=tmp_path).stdout for form in FORMATS}
    result = json.loads(told["json"])
    jsonschema.validate(result, dict(schemas()["audit"]))
    remedies = {name: host["pod_remedy"] for name, host in result["hosts"].items() if host["pod_remedy"]}
    assert list(remedies) == [hardened(nodes)]
    remedy = remedies[hardened(nodes)]
    assert remedy["allowed_unsafe_sysctls"] == [SOMAXCONN]
    code = told["markdown"].partition("```yaml\n")[2].partition("```")[0]
    assert yaml.safe_load(code) == {"securityContext": remedy["security_context"]}
    outputs = [*ET.fromstring(told["junit"]).iterfind("testsuite/system-out")]  # noqa: S314 our own output
    assert [(output.text or "").splitlines()[1:-1] for output in outputs] == [code.splitlines()]


def test_without_pods_asked_for_there_is_no_remedy(nodes: lab.Lab, tmp_path: Path) -> None:
    done = fleet("audit", "stop-conntrack-resets", "-f", "json", "-i", nodes.inventory, cwd=tmp_path)
    assert {str(host["pod_remedy"]) for host in json.loads(done.stdout)["hosts"].values()} == {"None"}
