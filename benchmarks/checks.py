"""Whether an audit was one: all keys of each node, and the line that stands on no other node."""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.field import NONCE, Field
from benchmarks.measure import WrongResultError
from benchmarks.work import AUDIT_KEYS, MARKED_KEY, MARKER
from fleet.facts import parse_answer


def fleet_audit(field: Field, _log: str) -> None:
    """The result names the marker file of each node as the one that decides, and its value."""
    data = _json(field.answers / "audit.json")
    _expect(data["summary"]["hosts"] == len(field.names), f"the audit has {data['summary']['hosts']} hosts")
    for name in field.names:
        key = data["hosts"][name]["settings"][MARKED_KEY]
        found = f"{MARKED_KEY} = {key['boot']}"
        _expect(key["boot_source"]["path"] == MARKER and found == field.marks[name], f"{name} has {key}")


def fleet_apply(field: Field, _log: str) -> None:
    """Every host was changed and confirmed."""
    summary = _json(field.answers / "apply.json")["summary"]
    _expect(summary["changed"] == len(field.names), f"the apply came to {summary}")


def probe_answers(field: Field, _log: str) -> None:
    """The answer of each node is whole."""
    for name in field.names:
        facts = parse_answer(_kept(field.answers / name), nonce=NONCE, host=name)
        file = facts.files.get(MARKER)
        content = file.content if file is not None else None
        _expect(content == f"{field.marks[name]}\n".encode(), f"{name} has {content!r} in {MARKER}")
        _expect(facts.sysctls.keys() >= set(AUDIT_KEYS), f"{name} answered for {len(facts.sysctls)} keys")


def pyinfra_audit(field: Field, _log: str) -> None:
    """All keys that a node has, and its line."""
    present = set(_json(field.folder / "peers.json")["node_keys"])
    for name in field.names:
        data = _json(field.answers / name)
        _expect(field.marks[name] in data["files"], f"{name} has not its mark")
        _expect(data["values"].keys() >= present, f"{name} answered for {len(data['values'])} keys")


def ansible(field: Field, log: str) -> None:
    """The play holds each node against its mark; here only that it came to an end on all."""
    good = len(re.findall(r"^\S+ +: ok=[1-9]\d* .*unreachable=0 +failed=0", log, re.MULTILINE))
    _expect(good == len(field.names), f"{good} hosts went through")


def testinfra(field: Field, log: str) -> None:
    """The test of each node, which looks for its mark, has passed."""
    _expect(f"{len(field.names)} passed" in log, log[-200:])


def _json(path: Path) -> Any:  # noqa: ANN401 JSON
    return json.loads(_kept(path))


def _kept(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise WrongResultError(f"there is no {path.name}") from None


def _expect(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 as of assert
    if not is_so:
        raise WrongResultError(otherwise)
