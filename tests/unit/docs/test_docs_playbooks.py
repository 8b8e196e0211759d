"""docs/playbooks.md names everything that a profile may say."""

import re
from pathlib import Path

import pytest

from fleet.policy.names import FIELDS
from fleet.policy.profile import ControlDocument

PAGE = (Path(__file__).parents[3] / "docs" / "playbooks.md").read_text()


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_name_of_expressions_is_explained_with_its_fields(name: str) -> None:
    names = PAGE.partition("| name | what it has |")[2]
    [row] = re.findall(rf"^\| `{name}(?:\[[^`]*)?` \|.*$", names, re.MULTILINE)
    assert {field for field in FIELDS[name] or () if not re.search(rf"`{field}\b", row)} == set()


@pytest.mark.parametrize("field", sorted(field.alias or name for name, field in ControlDocument.model_fields.items()))
def test_every_key_of_a_control_is_explained(field: str) -> None:
    assert re.search(rf"^\|[^|]*`{field}`[^|]*\|", PAGE, re.MULTILINE)
