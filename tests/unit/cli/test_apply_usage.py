"""What ``fleet apply`` and ``fleet rollback`` refuse before they reach a node."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from support.plans import plan_of
from support.rollouts import write_playbook

from fleet.cli.main import main
from fleet.model.rollout import Rollout, VerifyGate
from fleet.plan import Change, NodePlan, Plan, save_plan

NODE = NodePlan(
    changes=(
        Change(
            kind="sysctl",
            target="net.ipv4.tcp_fin_timeout",
            before="5",
            after="50",
            diff="5 -> 50",
            reason="is 5",
            controls=("c-1",),
        ),
    ),
    kept=(),
    refused=(),
    remedies=(),
    risks=(),
    preconditions=None,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yaml").write_text("web-1: {hostname: 127.0.0.1, port: 1}\nweb-2:\nother:\n")
    save_plan(plan_of({"web-1": NODE, "web-2": NODE}), tmp_path / "plan.json")
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said on stderr by a call that has to end with 2, nothing written, nobody asked."""
    try:
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    out, error = capsys.readouterr()
    assert (end.value.code, out) == (2, ""), error
    assert not Path(".fleet").exists()
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("apply",), "name a plan or a playbook"),
        (("apply", "plan.json", "--resume", "x"), "name a plan or a playbook"),
        (("apply", "--resume", "x", "--yes"), "no run 'x'"),
        (("apply", "--resume", "x", "-l", "web-1", "--yes"), "leave --limit out"),
        (("apply", "plan.json", "--templates", "inventory", "--yes"), "--templates is for playbooks"),
        (("apply", "plan.json"), "there is no terminal to ask on: add --yes"),
        (("apply", "none.json", "--yes"), "none.json: cannot be read"),
        (("apply", "stop-conntrack-reset", "--yes"), "did you mean 'stop-conntrack-resets'?"),
        (("apply", "plan.json", "--yes", "-l", "wbe-1"), "did you mean 'web-1'?"),
        (("apply", "plan.json", "--yes", "-l", "other"), "--limit selects no host of the plan"),
        (("apply", "plan.json", "--yes", "-o", "none/x"), "there is no directory none"),
        (("apply", "plan.json", "--yes", "-f", "junit"), "junit"),
        (("rollback",), "--list"),
        (("rollback", "x", "--list"), "--list"),
        (("rollback", "x"), "there is no terminal to ask on: add --yes"),
        (("rollback", "x", "--yes"), "no run 'x'"),
        (("rollback", "../x", "--yes"), "no run '../x'"),
    ],
)
def test_what_cannot_be_carried_out_is_said(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused(capsys, *arguments)


def test_a_plan_that_was_edited_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads((folder / "plan.json").read_text())
    data["hosts"]["web-1"]["changes"][0]["after"] = "51"
    (folder / "plan.json").write_text(json.dumps(data))
    assert "was changed after it was made" in refused(capsys, "apply", "plan.json", "--yes")


def test_every_host_of_a_plan_has_to_be_in_the_inventory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "inventory/hosts.yaml").write_text("web-1:\n")
    told = refused(capsys, "apply", "plan.json", "--yes", "-l", "web-1")
    assert "the inventory has no web-2" in told


def test_a_verify_gate_wants_the_playbook_that_the_plan_was_made_from(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan: Plan = plan_of({"web-1": NODE})
    plan = replace(plan, playbook="play.yaml", rollout=Rollout(gates=(VerifyGate(),)))
    save_plan(plan, folder / "plan.json")
    assert "play.yaml: no such file" in refused(capsys, "apply", "plan.json", "--yes")
    write_playbook(folder)
    assert "was changed after the plan was made" in refused(capsys, "apply", "plan.json", "--yes")
