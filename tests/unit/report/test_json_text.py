"""Documents written host by host."""

import pytest
from pydantic import BaseModel, Field

from fleet.report.json_text import json_pieces_of_hosts, json_text


class Host(BaseModel):
    schema_: str = Field(default="x", alias="schema")
    lines: list[str]
    inner: dict[str, int]


class Document(BaseModel):
    title: str
    hosts: dict[str, Host]


NASTY = {"a": ["one\ntwo", "{}", '}\n"'], 'q"\x7f\u00e9\U0001f600': ["\x7f\x1b", "\u2028"], "": []}


@pytest.mark.parametrize("names", [[], ["a"], ["a", ""], list(NASTY)])
def test_host_by_host_is_the_same_text_as_all_at_once(names: list[str]) -> None:
    hosts = {name: Host(lines=NASTY[name], inner={name: 1} if name else {}) for name in names}
    whole = json_text(Document(title='{}\n}\n"hosts": {}', hosts=hosts))
    document = Document(title='{}\n}\n"hosts": {}', hosts={})
    assert "".join(json_pieces_of_hosts(document, hosts.items())) == whole
