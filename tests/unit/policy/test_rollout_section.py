"""The ``rollout`` section of a playbook."""

import re
from pathlib import Path

import jsonschema
import pytest

from fleet.document import parse, validate
from fleet.model.errors import DocumentError
from fleet.model.rollout import CommandGate, PrometheusGate, ProveGate, RatesGate, Rollout, VerifyGate, Window
from fleet.policy import Policy, load_playbook
from fleet.policy.gates import seconds_needed
from fleet.policy.rollout import RolloutDocument, seconds_to_confirm
from fleet.report.schema import schemas

CONTROL = "controls:\n  - {id: c, title: t, impact: low, setting: {module: x}, expect: {loaded: true}, why: w}\n"


def load(tmp_path: Path, section: str) -> Policy:
    path = tmp_path / "play.yaml"
    path.write_text(f"name: n\n{CONTROL}{section}")
    return load_playbook(path)


def refused(tmp_path: Path, section: str) -> str:
    with pytest.raises(DocumentError) as caught:
        load(tmp_path, section)
    return str(caught.value).replace(str(tmp_path), "")


def test_a_playbook_without_the_section_has_one_batch_and_an_undo_after_two_minutes(tmp_path: Path) -> None:
    assert load(tmp_path, "").rollout == Rollout()


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    section = """rollout:
  serial: [1, "10%", "50%"]
  max_fail_percentage: 12.5
  soak: 30s
  pause: 1m
  confirm_within: 0.5h
  undo: all
  restart: [k3s, kubelet.service]
  before: [kubectl, drain, "{host}"]
  after: [kubectl, uncordon, "{host}"]
  hook_timeout: 10m
  windows: ["Mon-Fri 22:00-04:00 Europe/Berlin", daily 00:00-24:00 UTC]
  gates:
    - verify
    - command: {run: [./smoke.sh, "{host}"], on: node, timeout: 45s}
    - prometheus: {url: "https://prometheus.example", query: up, expect: ">= 1"}
    - rates: {window: 20s, at_most: 2, floor: 1, sample: 3}
    - rates
    - verify:
"""
    assert load(tmp_path, section).rollout == Rollout(
        serial=(1, "10%", "50%"),
        max_fail_percentage=12.5,
        soak=30,
        pause=60,
        confirm_within=1800,
        undo="all",
        restart=("k3s", "kubelet.service"),
        before=("kubectl", "drain", "{host}"),
        after=("kubectl", "uncordon", "{host}"),
        hook_timeout=600,
        windows=(
            Window(
                days=(0, 1, 2, 3, 4),
                opens=1320,
                closes=240,
                zone="Europe/Berlin",
                text="Mon-Fri 22:00-04:00 Europe/Berlin",
            ),
            Window(days=(0, 1, 2, 3, 4, 5, 6), opens=0, closes=0, zone="UTC", text="daily 00:00-24:00 UTC"),
        ),
        gates=(
            VerifyGate(),
            CommandGate(command=("./smoke.sh", "{host}"), on="node", timeout=45),
            PrometheusGate(url="https://prometheus.example", query="up", expect=">= 1", timeout=10),
            RatesGate(window=20, at_most=2, floor=1, sample=3),
            RatesGate(),
            VerifyGate(),
        ),
    )


def test_one_size_needs_no_list(tmp_path: Path) -> None:
    assert load(tmp_path, 'rollout: {serial: "25%"}\n').rollout.serial == ("25%",)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("rollout: {seriel: 1}", "play.yaml:4:11: unknown key 'seriel' (did you mean 'serial'?)"),
        ("rollout: {serial: 0}", "play.yaml:4:19: 'rollout.serial[0]' must be a number of hosts from 1, or per cent"),
        ('rollout: {serial: ["0%"]}', "play.yaml:4:20: 'rollout.serial[0]' must be a number of hosts from 1"),
        ('rollout: {serial: [1, "101%"]}', "play.yaml:4:23: 'rollout.serial[1]' must be a number of hosts from 1"),
        ("rollout: {serial: [true]}", "play.yaml:4:20: 'rollout.serial[0]' must be a number of hosts from 1"),
        ("rollout: {soak: 30}", "play.yaml:4:17: 'rollout.soak' must be a time with its unit, such as 30s, 5m or 1h"),
        ("rollout: {soak: 1d}", "play.yaml:4:17: 'rollout.soak' must be a time with its unit"),
        ("rollout: {soak: 25h}", "play.yaml:4:17: 'rollout.soak' must be at most 24h"),
        ("rollout: {confirm_within: 0s}", "play.yaml:4:27: 'rollout.confirm_within' must be longer than 0s"),
        ("rollout: {max_fail_percentage: 101}", "play.yaml:4:32: 'rollout.max_fail_percentage' must be at most 100"),
        ("rollout: {undo: some}", "play.yaml:4:17: 'rollout.undo' must be 'batch' or 'all', not 'some'"),
        ("rollout: {restart: [kubelt]}", "play.yaml:4:21: 'rollout.restart[0]' must be one of kubelet, k3s, k3s-agent"),
        ("rollout: {restart: ['a; reboot']}", "play.yaml:4:21: 'rollout.restart[0]' must be of the form"),
        ("rollout: {before: kubectl drain}", "play.yaml:4:19: 'rollout.before' must be a list, not 'kubectl drain'"),
        ('rollout: {before: ["a\\0b"]}', "play.yaml:4:20: 'rollout.before[0]' must be of the form"),
        ("rollout: {gates: [nothing]}", "play.yaml:4:19: 'rollout.gates[0]' must be a mapping, not 'nothing'"),
        ("rollout: {gates: [command]}", "key 'run' is missing in 'rollout.gates[0].command'"),
        (
            "rollout: {gates: [{}]}",
            "'rollout.gates[0]' must be exactly one of verify, command, prometheus, rates and prove",
        ),
        ("rollout: {gates: [{verify: , rates: }]}", "'rollout.gates[0]' must be exactly one of verify, command"),
        ("rollout: {gates: [{command: {run: []}}]}", "'rollout.gates[0].command.run' must not be empty"),
        (
            "rollout: {gates: [{prometheus: {url: 'https://me:pw@prom', query: up, expect: '> 1'}}]}",
            "'rollout.gates[0].prometheus.url' has credentials in it",
        ),
        (
            "rollout: {gates: [{prometheus: {url: 'https://prom', query: up, expect: much}}]}",
            "'rollout.gates[0].prometheus.expect' 'much' is no comparison",
        ),
        ("rollout: {windows: [nights]}", "'rollout.windows[0]' must be days, times and a time zone"),
        ("rollout: {windows: [Mon-Fry 22:00-04:00 UTC]}", "'rollout.windows[0]' must begin with daily, or with days"),
        ("rollout: {windows: [Mon 24:01-04:00 UTC]}", "'rollout.windows[0]' has no time of day in 24:01"),
        ("rollout: {windows: [Mon 22:00-04:00 Berlin]}", "names a time zone that is not known here: Berlin"),
        ("rollout: {windows: [Mon 22:00-04:00 ../../etc/passwd]}", "names a time zone that is not known here"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, section: str, told: str) -> None:
    message = refused(tmp_path, section + "\n")
    assert told in message
    assert re.match(r"/?play\.yaml:4:\d+: ", message)


def test_an_undo_that_would_come_before_the_gates_are_through_is_refused_at_its_place(tmp_path: Path) -> None:
    gates = "gates: [{command: {run: [a], timeout: 1m}}]"
    message = refused(tmp_path, f"rollout: {{soak: 30s, {gates}, confirm_within: 100s}}\n")
    assert message == (
        "/play.yaml:4:83: nodes would undo themselves after 100 s, but soak and gates may take 92 s,"
        " and 20 s are kept for confirming (write confirm_within: 112s or more)"
    )
    rollout = load(tmp_path, f"rollout: {{soak: 30s, {gates}, confirm_within: 112s}}\n").rollout
    assert seconds_to_confirm(rollout) == 112


def test_each_gate_has_a_longest_time() -> None:
    gates = (
        VerifyGate(),
        CommandGate(command=("true",), timeout=7),
        PrometheusGate(url="u", query="q", expect="> 1", timeout=8),
        RatesGate(window=9),
        ProveGate(timeout=40),
    )
    assert [seconds_needed(gate) for gate in gates] == [30, 9, 8, 39, 55]


@pytest.mark.parametrize(
    ("item", "gate"),
    [
        ("prove", ProveGate()),
        ("prove:", ProveGate(on="controller", timeout=60)),
        ("prove: {on: node, timeout: 45s}", ProveGate(on="node", timeout=45)),
    ],
)
def test_the_proof_is_a_gate(tmp_path: Path, item: str, gate: ProveGate) -> None:
    assert load(tmp_path, f"rollout:\n  gates:\n    - {item}\n").rollout.gates == (gate,)


def test_days_may_run_over_the_end_of_the_week(tmp_path: Path) -> None:
    [window] = load(tmp_path, "rollout: {windows: ['Sat-Mon,Wed 01:00-02:00 UTC']}\n").rollout.windows
    assert window.days == (0, 2, 5, 6)


def test_the_digest_changes_with_every_byte_of_the_playbook_and_of_its_profiles(tmp_path: Path) -> None:
    profile = tmp_path / "profiles" / "p.yaml"
    profile.parent.mkdir()
    profile.write_text(f"profile: p\ntitle: t\n{CONTROL.replace('id: c', 'id: d')}")
    seen = {load(tmp_path, "").digest, load(tmp_path, "#\n").digest, load(tmp_path, "profiles: [p]\n").digest}
    profile.write_text(profile.read_text() + "#\n")
    seen.add(load(tmp_path, "profiles: [p]\n").digest)
    assert len(seen) == 4
    assert load(tmp_path, "").digest == load(tmp_path, "").digest


@pytest.mark.parametrize(
    "text", ["serial: [1, '5%']", "serial: 5%", "gates: [verify]", "gates: [{rates: {window: 5s}}]", "soak: 1m"]
)
def test_what_loads_holds_to_the_published_schema(text: str) -> None:
    document = parse(f"name: n\nrollout: {{{text}}}\n".encode(), "p.yaml")
    jsonschema.Draft202012Validator(schemas()["playbook"]).validate(document.data)
    inner = parse(f"{{{text}}}".encode(), "p.yaml")
    validate(inner, RolloutDocument)


PAGE = (Path(__file__).parents[3] / "docs" / "rollout.md").read_text()


@pytest.mark.parametrize("key", RolloutDocument.model_fields)
def test_every_key_is_explained_with_what_it_is_if_left_out(key: str) -> None:
    assert re.search(rf"^\| `{key}` \|[^|]+\|[^|]+\|$", PAGE, re.MULTILINE)


def test_the_example_of_the_docs_loads_and_shows_every_key(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    document = parse(example.encode(), "rollout.md").data
    assert isinstance(document, dict)
    assert document["rollout"].keys() == RolloutDocument.model_fields.keys()
    assert load(tmp_path, example).rollout.serial == (1, "10%", "50%")
