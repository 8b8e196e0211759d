"""Plans saved and loaded again."""

import hashlib
import json
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from support.kernel import node
from support.plans import plan_of, plan_text, planned, playbook_of

from fleet.model.errors import DocumentError, FleetError
from fleet.model.finding import Failure
from fleet.model.rollout import CommandGate, PrometheusGate, ProveGate, RatesGate, Rollout, VerifyGate, Window
from fleet.plan import HostPlan, Plan, load_plan, plan_from, save_plan
from fleet.report.schema import schemas


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    policy = playbook_of(tmp_path, "setting: {sysctl: net.ipv4.tcp_fin_timeout}, expect: {at_least: 30}, set: 50")
    read = planned(policy, node(sysctls={"net.ipv4.tcp_fin_timeout": "5"}, files={"/etc/sysctl.d/\x7f.conf": "\x7f"}))
    return plan_of(
        {
            "web-1": read,
            "web-2": read,
            "db-1": HostPlan(name="db-1", error=Failure(kind="unreachable", message="no answer")),
        }
    )


def test_a_saved_plan_loads_as_it_was_and_only_its_owner_may_read_it(plan: Plan, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text("old")
    save_plan(plan, file)
    assert load_plan(file) == plan
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir() if "plan.json" in entry.name] == ["plan.json"]


def test_the_json_holds_to_its_schema_and_to_one_line_of_ascii_a_value(plan: Plan) -> None:
    text = plan_text(plan)
    assert text.isascii()
    assert "\x7f" not in text
    data = json.loads(text)
    jsonschema.Draft202012Validator(schemas()["plan"]).validate(data)
    assert data["summary"] == {"hosts": 3, "changes": 2, "none": 0, "refused": 0, "failed": 0, "unreachable": 1}
    assert data["hosts"]["db-1"]["error"] == {"kind": "unreachable", "message": "no answer"}


@pytest.mark.parametrize("names", [("web-2", "web-10", "db-1"), ("web-1",), ()])
def test_the_json_is_written_host_by_host_and_its_digest_is_over_all_of_it(plan: Plan, names: Sequence[str]) -> None:
    hosts = dict.fromkeys(names, plan.hosts["web-1"])
    text = plan_text(replace(plan, hosts=hosts))
    data = json.loads(text)
    assert text == json.dumps(data, indent=2).replace("\x7f", "\\u007f") + "\n"
    assert list(data["hosts"]) == list(names)  # batches go by this order
    digest = data.pop("digest")
    whole = json.dumps(data, sort_keys=True, separators=(",", ":"))
    assert digest == f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"
    assert plan_from(text, "here").hosts.keys() == hosts.keys()


def test_the_rollout_is_part_of_the_plan_with_every_kind_of_gate(plan: Plan, tmp_path: Path) -> None:
    gates = (
        VerifyGate(),
        CommandGate(command=("true", "{host}"), on="node"),
        PrometheusGate(url="https://p", query="up", expect="> 0"),
        RatesGate(),
        ProveGate(on="node"),
    )
    window = Window(days=(0, 6), opens=60, closes=0, zone="UTC", text="Sun,Mon 01:00-24:00 UTC")
    rollout = Rollout(serial=(1, "10%"), soak=0.5, gates=gates, windows=(window,), before=("a",), restart=("k3s",))
    file = tmp_path / "plan.json"
    save_plan(replace(plan, rollout=rollout), file)
    assert load_plan(file).rollout == rollout
    jsonschema.Draft202012Validator(schemas()["plan"]).validate(json.loads(file.read_text()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"after": "50"', '"after": "51"'),
        ('"mode": 420', '"mode": 511'),
        ('"status": "unreachable"', '"status": "none"'),
        ('"kind": "absent"', '"kind": "file"'),
        ('"confirm_within": 120.0', '"confirm_within": 12.0'),
        ('"gates": []', '"gates": [{"kind": "verify"}]'),
        ('"gates": []', '"gates": [{"kind": "verify", "more": 1}]'),
        ('"playbook_digest": "sha256:5', '"playbook_digest": "sha256:6'),
        ('"run"', '"run" '),
    ],
)
def test_a_plan_that_was_changed_is_refused(plan: Plan, tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "plan.json"
    text = plan_text(plan)
    assert old in text
    file.write_text(text.replace(old, new, 1))
    if json.loads(file.read_text()) == json.loads(text):
        assert load_plan(file) == plan  # blanks are not part of a plan
        return
    with pytest.raises(DocumentError, match=r"was changed after it was made|is no plan"):
        load_plan(file)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no plan"),
        ("{", "is no plan"),
        ("[]", "is no plan"),
        ('{"schema": "fleet.plan/2"}', "is no plan: schema"),
        ("\udcff", "is no plan"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(DocumentError) as refused:
        load_plan(file)
    assert told in str(refused.value)
    assert str(refused.value).startswith(str(file))


def test_an_unknown_field_is_refused(plan: Plan, tmp_path: Path) -> None:
    data = json.loads(plan_text(plan))
    data["hosts"]["web-1"]["changes"][0]["owner"] = "root"
    (tmp_path / "plan.json").write_text(json.dumps(data))
    with pytest.raises(DocumentError, match=r"hosts.web-1.changes.0.owner"):
        load_plan(tmp_path / "plan.json")


def test_files_that_cannot_be_read_or_written_are_named(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read: No such file"):
        load_plan(tmp_path / "none.json")
    with pytest.raises(FleetError, match="cannot write"):
        save_plan(plan, tmp_path / "none" / "plan.json")
