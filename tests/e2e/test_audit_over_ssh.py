"""The main job on real nodes, as an operator runs it."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from time import monotonic

import jsonschema
import pytest
import yaml
from support.cli import FLEET, fleet

from fleet import lab
from fleet.report.schema import schemas

pytestmark = pytest.mark.root

PLAYBOOK = "stop-conntrack-resets"
INTERRUPT_LIMIT_SECONDS = 10


def test_fifty_nodes_are_audited_with_one_connection_and_one_exec_each(fifty_nodes: lab.Lab, tmp_path: Path) -> None:
    before = {node.name: lab.log(fifty_nodes, node.name) for node in fifty_nodes.nodes}
    done = fleet("audit", PLAYBOOK, "-i", fifty_nodes.inventory, "-f", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    result = json.loads(done.stdout)
    jsonschema.validate(result, dict(schemas()["audit"]))
    assert result["summary"]["hosts"] == 50
    assert result["summary"]["unreachable"] == result["summary"]["failed"] == 0
    for node in fifty_nodes.nodes:
        new = lab.log(fifty_nodes, node.name).removeprefix(before[node.name])
        assert len(re.findall("^Connection from", new, re.MULTILINE)) == 1
        assert len(re.findall("^Starting session: command", new, re.MULTILINE)) == 1
        assert len(re.findall("^Starting session", new, re.MULTILINE)) == 1


def test_what_is_planted_is_seen(fifty_nodes: lab.Lab, tmp_path: Path) -> None:
    done = fleet("audit", PLAYBOOK, "-i", fifty_nodes.inventory, "-f", "json", cwd=tmp_path)
    hosts = json.loads(done.stdout)["hosts"]

    def findings(planted: lab.Planted) -> list[dict[str, str]]:
        chosen = [node.name for node in fifty_nodes.nodes if planted in node.planted]
        assert chosen
        return [{one["control"]: one["status"] for one in hosts[name]["findings"]} for name in chosen]

    assert {one["conntrack-be-liberal"] for one in findings(lab.Planted.HARDENED)} == {"pass"}


def test_the_formats_agree(fifty_nodes: lab.Lab, tmp_path: Path) -> None:
    def audit(form: str) -> str:
        return fleet(
            "audit", PLAYBOOK, "-i", fifty_nodes.inventory, "-l", "k3s-server", "-f", form, cwd=tmp_path
        ).stdout

    failed = {
        name: {one["control"] for one in host["findings"] if one["status"] == "fail"}
        for name, host in json.loads(audit("json"))["hosts"].items()
    }
    suites = ET.fromstring(audit("junit"))  # noqa: S314 our own output.iter("testsuite")
    assert {
        suite.get("name"): {
            case.get("name", "").partition(":")[0]
            for case in suite.iter("testcase")
            if case.find("failure") is not None
        }
        for suite in suites
    } == failed
    table, markdown = audit("table"), audit("markdown")
    for name, controls in failed.items():
        assert all(word in table and word in markdown for word in (name, *controls))


def test_no_token_of_a_node_is_shown_by_any_command(fifty_nodes: lab.Lab, tmp_path: Path) -> None:
    planned = {spec.name: spec for spec in lab.plan_nodes(len(fifty_nodes.nodes), seed=1)}["k3s-server-001"]
    [config] = [file.content for file in planned.files if file.path == "/etc/rancher/k3s/config.yaml"]
    token = yaml.safe_load(config)["token"]
    shown = fleet("facts", "-i", fifty_nodes.inventory, "-l", "k3s-server-001", cwd=tmp_path).stdout
    assert "config.yaml" in shown
    assert token not in shown


def test_dead_hosts_are_named_with_the_cause_and_hold_up_nobody(fifty_nodes: lab.Lab, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        closed = socket.create_server(("127.0.0.1", 0))
        closed_port = closed.getsockname()[1]
        closed.close()
        inventory = tmp_path / "inventory"
        inventory.mkdir()
        for name in ("groups", "defaults", "hosts"):
            (inventory / f"{name}.yaml").write_text((fifty_nodes.inventory / f"{name}.yaml").read_text())
        with (inventory / "hosts.yaml").open("a") as hosts:
            hosts.write(f"closed: {{hostname: 127.0.0.1, port: {closed_port}}}\n")
            hosts.write(f"silent: {{hostname: 127.0.0.1, port: {silent.getsockname()[1]}}}\n")
        started = monotonic()
        done = fleet("audit", PLAYBOOK, "-i", inventory, "-f", "json", "--auth-timeout", "8", cwd=tmp_path)
        took = monotonic() - started
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["summary"] == {"hosts": 52, "ok": 5, "findings": 45, "failed": 1, "unreachable": 1}
    assert result["hosts"]["closed"]["error"]["kind"] == "unreachable"
    assert result["hosts"]["silent"]["error"]["kind"] == "timeout"
    assert "said nothing for 8 s" in result["hosts"]["silent"]["error"]["message"]
    assert took < 40


def test_an_interrupt_ends_at_once_with_130(fifty_nodes: lab.Lab, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        inventory = tmp_path / "inventory"
        inventory.mkdir()
        (inventory / "defaults.yaml").write_text((fifty_nodes.inventory / "defaults.yaml").read_text())
        port = silent.getsockname()[1]
        (inventory / "hosts.yaml").write_text(f"silent: {{hostname: 127.0.0.1, port: {port}}}\n")
        process = subprocess.Popen(
            [FLEET, "audit", PLAYBOOK, "-i", str(inventory)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        silent.settimeout(30)
        connection, _ = silent.accept()
        interrupted = monotonic()
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
        took = monotonic() - interrupted
        connection.close()
    assert (process.returncode, out) == (130, "")
    assert "interrupted" in error
    assert "Traceback" not in error
    assert took < INTERRUPT_LIMIT_SECONDS


def test_a_terminal_shows_progress_and_the_same_result(fifty_nodes: lab.Lab, tmp_path: Path) -> None:
    piped = fleet("audit", PLAYBOOK, "-i", fifty_nodes.inventory, "-l", "db", cwd=tmp_path).stdout
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [FLEET, "audit", PLAYBOOK, "-i", str(fifty_nodes.inventory), "-l", "db"],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env=environment,
        cwd=tmp_path,
        text=True,
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(controller, 65536):
            shown += chunk
    except OSError:
        pass  # the way a terminal says that its last user is gone
    out, _ = process.communicate(timeout=60)
    os.close(controller)
    assert out == piped
    assert b"auditing" in shown
