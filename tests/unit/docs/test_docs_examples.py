"""The examples in the documentation hold."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from markdown_it import MarkdownIt

from fleet.document import load_mapping, parse, validate
from fleet.drift.notify.targets import load_targets
from fleet.policy.playbook import load_playbook
from fleet.report.schema import schemas
from fleet.runner.documents import DefaultsFile, ElementsFile

DOCS = Path(__file__).parents[3] / "docs"


def examples(page: str, language: str) -> Iterator[str]:
    for block in MarkdownIt("commonmark").parse((DOCS / page).read_text(encoding="utf-8")):
        if block.type == "fence" and block.info.startswith(language):
            yield block.content


@pytest.mark.parametrize(
    "name",
    [
        "apply",
        "audit",
        "diagnose",
        "drift",
        "facts",
        "history",
        "inventory",
        "notification",
        "plan",
        "prove",
        "runs",
        "verify",
    ],
)
def test_the_json_of_the_documentation_holds_to_the_schema(name: str) -> None:
    (example,) = examples("json.md", f"json fleet.{name}/1")
    jsonschema.Draft202012Validator(schemas()[name]).validate(json.loads(example))


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas()[name])


def test_the_playbook_of_the_readme_loads(tmp_path: Path) -> None:
    (playbook,) = examples("../README.md", "yaml")
    path = tmp_path / "playbook.yaml"
    path.write_text(playbook)
    policy = load_playbook(path)
    assert {"conntrack-max", "tcp-keepalive-time"} <= {control.id for control in policy.controls}


def test_the_inventory_of_the_documentation_loads() -> None:
    hosts, groups, defaults = examples("inventory.md", "yaml")
    assert "k3s-agent-1" in validate(parse(hosts.encode(), "hosts.yaml"), ElementsFile).root
    assert "k3s" in validate(parse(groups.encode(), "groups.yaml"), ElementsFile).root
    assert validate(parse(defaults.encode(), "defaults.yaml"), DefaultsFile).username == "ops"


def test_the_notification_targets_of_the_documentation_load(tmp_path: Path) -> None:
    (text,) = examples("notify.md", "yaml")
    path = tmp_path / "notify.yaml"
    path.write_text(text)
    path.chmod(0o600)
    loaded = load_targets(path, ["ops", "team", "pager", "inventory"], {"OPS_WEBHOOK": "https://hooks.example/x"})
    assert [each.kind for each in loaded] == ["slack", "mattermost", "alertmanager", "json"]


def test_the_playbook_and_the_profile_of_the_documentation_load(tmp_path: Path) -> None:
    playbook, profile = examples("playbooks.md", "yaml")
    path = tmp_path / "playbook.yaml"
    path.write_text(playbook.replace("tcp, ports]", "tcp, ports, payments]"))
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/payments.yaml").write_text(profile)
    policy = load_playbook(path)
    assert {"conntrack-max", "payments-somaxconn"} <= {control.id for control in policy.controls}


@pytest.mark.parametrize("path", sorted(DOCS.parent.glob("fleet/policy/profiles/*.yaml")), ids=lambda path: path.stem)
def test_shipped_profiles_hold_to_the_schema_that_editors_use(path: Path) -> None:
    jsonschema.Draft202012Validator(schemas()["profile"]).validate(load_mapping(path).data)


def test_the_schema_of_a_playbook_refuses_an_unknown_key() -> None:
    schema = jsonschema.Draft202012Validator(schemas()["playbook"])
    assert schema.is_valid({"name": "x", "profiles": ["tcp"]})
    assert not schema.is_valid({"name": "x", "profils": ["tcp"]})
