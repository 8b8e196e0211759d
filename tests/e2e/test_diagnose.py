"""``fleet diagnose`` as an operator runs it."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from support.cli import fleet
from support.lab import running_lab
from support.packets import ACK, RST, SYN, pcap, tcp

from fleet import lab
from fleet.report.schema import schemas

WEB = {
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "nginx", "ports": [{"containerPort": 80}]}]},
        }
    },
}
SERVICE = {"kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}}}
KILLING = {"kind": "Event", "reason": "Killing", "involvedObject": {"namespace": "shop", "name": "web-1"}}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    with running_lab(tmp_path_factory.mktemp("lab"), 2, name="diagnose") as made:
        yield made


@pytest.mark.root
def test_calm_nodes_of_the_lab_are_blamed_for_nothing(built: lab.Lab, tmp_path: Path) -> None:
    done = fleet("diagnose", "-i", str(built.inventory), "--for", "1", "-f", "json", cwd=tmp_path)
    data = json.loads(done.stdout)
    jsonschema.Draft202012Validator(schemas()["diagnose"]).validate(data)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert data["hosts"].keys() == {node.name for node in built.nodes}
    for host in data["hosts"].values():
        assert host["seconds"] >= 1
        assert {cause["verdict"] for cause in host["causes"].values()} <= {"excluded", "cannot tell"}


@pytest.mark.root
def test_a_node_that_cannot_be_read_ends_with_one(built: lab.Lab, tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text("gone: {hostname: 127.0.0.1, port: 1}\n")
    done = fleet("diagnose", "-i", str(tmp_path), "--for", "1", cwd=tmp_path)
    assert done.returncode == 1
    assert "gone: unreachable" in done.stdout
    assert built.nodes


def test_files_need_no_host(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps({"kind": "List", "items": [WEB, SERVICE, KILLING]}))
    lines = [f"2026-11-20T12:{minute:02}:00Z 10.0.0.9 connection reset by peer\n" for minute in range(20)]
    (tmp_path / "app.log").write_text("".join(lines))
    done = fleet("diagnose", "--kubernetes", "list.json", "--log", "app.log", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert "likely graceful-end" in done.stdout
    assert "20 resets of 10.0.0.9 come every 60.0 s" in done.stdout


def test_files_and_hosts_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("")
    done = fleet("diagnose", "--log", "app.log", "--local", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --kubernetes, --log and --pcap read files, and no host")


def test_a_log_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    done = fleet("diagnose", "--log", "app.log", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: app.log: cannot be read: No such file or directory\n")


def test_a_capture_is_judged_from_a_file(tmp_path: Path) -> None:
    client, service = "10.0.1.2:40000", "10.96.0.10:80"
    answer = tcp(service, client, RST | ACK, ack=8)
    (tmp_path / "node.pcap").write_bytes(pcap([(1e9, tcp(client, service, SYN, seq=7)), (1e9, answer)]))
    done = fleet("diagnose", "--pcap", "node.pcap", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert "confirmed refused" in done.stdout
    assert "1 connection to 10.96.0.10:80 reset by 10.96.0.10:80 in answer to a SYN" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pcap", "app.log"), "error: app.log: no capture that can be read: it begins like neither pcap nor pcapng"),
        (("--pcap", "gone.pcap"), "error: gone.pcap: cannot be read: No such file or directory"),
        (("--pcap", "-", "--log", "-"), "error: - is stdin, which can be read once"),
        (("--local", "--capture", "udp"), "error: --capture: 'udp' is none of: tcp, host ADDRESS, port NUMBER"),
        (("--log", "app.log", "--capture", "tcp"), "error: --kubernetes, --log and --pcap read files, and no host"),
    ],
)
def test_what_cannot_be_captured_or_read_is_a_usage_error(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "app.log").write_text("connection reset by peer\n")
    done = fleet("diagnose", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
