import base64
import json
from dataclasses import fields, replace
from typing import Any

import jsonschema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fleet.model.facts import Identity, NodeFacts, NodeFile, Reason, Unavailable
from fleet.model.finding import Failure
from fleet.report.facts_json import FactsReport, facts_json
from fleet.report.inventory_json import SelectedHost, inventory_json
from fleet.report.schema import schemas

FACTS = jsonschema.Draft202012Validator(schemas()["facts"])
INVENTORY = jsonschema.Draft202012Validator(schemas()["inventory"])


NO_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]
slow_to_make = settings(max_examples=15, suppress_health_check=[*HealthCheck], phases=NO_SHRINKING)
REAL_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def report(**hosts: NodeFacts | Failure) -> FactsReport:
    return FactsReport(started="2026-11-20T12:00:00Z", finished="2026-11-20T12:00:02Z", version="0.1.0", hosts=hosts)


def any_facts(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[NodeFacts]:
    identity = st.builds(Identity, uptime_seconds=REAL_NUMBERS)
    return st.builds(NodeFacts, identity=identity, **fields)


def written(facts: NodeFacts) -> dict[str, Any]:
    text = facts_json(report(n=facts))
    assert all(" " <= char <= "~" or char == "\n" for char in text)
    document = json.loads(text)
    FACTS.validate(document)
    assert document["hosts"]["n"]["error"] is None
    return document["hosts"]["n"]["facts"]


@slow_to_make
@given(any_facts())
def test_any_facts_parse_and_hold_to_the_schema(facts: NodeFacts) -> None:
    assert list(written(facts)) == [field.name for field in fields(NodeFacts)]


@slow_to_make
@given(any_facts(), st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
def test_the_exact_bytes_of_a_file_come_through(facts: NodeFacts, content: bytes) -> None:
    file = NodeFile(path="/etc/sysctl.d/a.conf", kind="file", content=content)
    shown = written(replace(facts, files={file.path: file}))["files"][file.path]["content"]
    data = shown["data"].encode()
    assert (base64.b64decode(data) if shown["encoding"] == "base64" else data) == content


@slow_to_make
@given(any_facts())
def test_a_fact_that_could_not_be_read_says_why(facts: NodeFacts) -> None:
    missing = replace(facts, modules=Unavailable(Reason.NEEDS_ROOT, "/proc/modules"))
    assert written(missing)["modules"] == {"unavailable": "needs root", "detail": "/proc/modules"}


def test_a_host_that_could_not_be_read_has_an_error_and_no_facts() -> None:
    document = json.loads(facts_json(report(n=Failure(kind="auth", message="no key was accepted"))))
    FACTS.validate(document)
    assert document["hosts"]["n"] == {"error": {"kind": "auth", "message": "no key was accepted"}, "facts": None}


def test_the_schema_refuses_a_fact_without_its_reason() -> None:
    document = json.loads(facts_json(report(n=Failure(kind="auth", message="no"))))
    document["hosts"]["n"]["facts"] = {}
    assert not FACTS.is_valid(document)


def test_the_inventory_says_why_each_host_is_selected() -> None:
    host = SelectedHost(name="web-01", address="198.18.0.11", groups=("web", "k3s"), why="group k3s")
    document = json.loads(inventory_json([host]))
    INVENTORY.validate(document)
    assert document == {
        "schema": "fleet.inventory/1",
        "hosts": {"web-01": {"address": "198.18.0.11", "groups": ["web", "k3s"], "why": "group k3s"}},
    }
