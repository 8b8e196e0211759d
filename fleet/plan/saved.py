"""Plans as text and files: what a reviewer approves, and what is applied to the byte."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pydantic

from fleet.model.errors import DocumentError, FleetError
from fleet.model.finding import Failure
from fleet.model.text import printable
from fleet.plan.document import HostPlanJson, PlanJson
from fleet.plan.model import (
    Change,
    FileState,
    HostPlan,
    Kept,
    NodePlan,
    Plan,
    PlanStatus,
    Preconditions,
    Refused,
    Remedy,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA = "fleet.plan/1"

_MAX_BYTES = 2**30
_JSON = pydantic.TypeAdapter[Mapping[str, object]](Mapping[str, object])
_NO_HOSTS = '\n  "hosts": {}'


def plan_pieces(plan: Plan) -> Iterator[str]:
    """Write the JSON of a plan host by host, in ASCII; the same plan gives the same text.

    A thousand hosts are 40 MB, which nobody need have at once.
    """
    rest = _clean(
        {
            "schema": SCHEMA,
            "run": {
                "id": plan.run_id,
                "created": plan.created,
                "playbook": plan.playbook,
                "playbook_digest": plan.playbook_digest,
                "version": plan.version,
            },
            "summary": {"hosts": len(plan.hosts), **count_hosts_by_status(plan)},
            "rollout": asdict(plan.rollout),
        }
    )
    digest = _digest(rest, ((name, _clean(_host(plan.hosts[name]))) for name in sorted(plan.hosts)))
    begin, end = _indented({**rest, "hosts": {}, "digest": digest}).split(_NO_HOSTS)
    comma, close = begin + _NO_HOSTS[:-1], "}"
    for name, host in plan.hosts.items():
        one = _indented({name: _clean(_host(host))}).removeprefix("{").removesuffix("\n}")
        yield comma + one.replace("\n", "\n  ")
        comma, close = ",", "\n  }"
    yield f"{'' if plan.hosts else comma}{close}{end}\n"


def count_hosts_by_status(plan: Plan) -> dict[str, int]:
    """Hosts by status, zeros included."""
    counts = Counter(host.status for host in plan.hosts.values())
    return {status: counts[status] for status in get_args(PlanStatus)}


def save_plan(plan: Plan, path: Path) -> None:
    """Write a plan that only its owner may read: whole, or not at all.

    Raises:
        FleetError: the file cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.writelines(plan_pieces(plan))
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise FleetError(f"cannot write {path}: {error.strerror}") from error


def load_plan(path: Path) -> Plan:
    """Read a plan that was saved.

    Raises:
        DocumentError: it is no plan, or not the one that was saved.
    """
    return plan_from(_read(path), str(path))


def plan_from(text: bytes | str, where: str) -> Plan:
    """Read a plan from its text.

    Args:
        text: as `plan_pieces` has made it.
        where: it came from, for messages.

    Raises:
        DocumentError: it is no plan, or not the one that was saved.
    """
    try:
        document = PlanJson.model_validate_json(text)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        message = printable(f"is no plan: {place}: {first['msg']}", 300)
        raise DocumentError(message, path=where, hint="make it with fleet plan --out") from None
    data = json.loads(text)
    written = _digest({name: data[name] for name in data.keys() - {"hosts", "digest"}}, sorted(data["hosts"].items()))
    if written != document.digest:
        hint = "make a new plan, and have it reviewed"
        raise DocumentError("was changed after it was made: its digest does not fit", path=where, hint=hint)
    run = document.run
    hosts = {name: _loaded(name, host) for name, host in document.hosts.items()}
    return Plan(
        run_id=run.id,
        created=run.created,
        playbook=run.playbook,
        playbook_digest=run.playbook_digest,
        version=run.version,
        rollout=document.rollout,
        hosts=hosts,
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=str(path)) from None
    if len(text) > _MAX_BYTES:
        raise DocumentError(f"is larger than {_MAX_BYTES} bytes", path=str(path))
    return text


def _digest(rest: Mapping[str, object], hosts: Iterable[tuple[str, object]]) -> str:
    """Over the JSON of a plan with its keys sorted, which begins with the hosts, without blanks, in ASCII."""
    digest = hashlib.sha256(b'{"hosts":{')
    for number, (name, host) in enumerate(hosts):
        digest.update(f"{',' if number else ''}{_canonical({name: host})[1:-1]}".encode())
    digest.update(f"}},{_canonical(rest)[1:]}".encode())
    return f"sha256:{digest.hexdigest()}"


def _canonical(data: Mapping[str, object]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _indented(data: Mapping[str, object]) -> str:
    text = _JSON.dump_json(data, indent=2, ensure_ascii=True).decode()
    # DEL is the one control character that JSON leaves as it is; here it can only stand inside a string.
    return text.replace("\x7f", "\\u007f")


def _host(host: HostPlan) -> Mapping[str, object]:
    plan = host.plan
    held = plan.preconditions if plan else None
    return {
        "status": host.status,
        "error": _members(host.error) if host.error is not None else None,
        "changes": [_members(each) for each in plan.changes] if plan else [],
        "unchanged": [_members(each) for each in plan.kept] if plan else [],
        "refused": [_members(each) for each in plan.refused] if plan else [],
        "remedies": [_members(each) for each in plan.remedies] if plan else [],
        "risks": plan.risks if plan else [],
        "preconditions": {
            **_members(held),
            "files": {path: _members(state) for path, state in held.files.items()},
        }
        if held is not None
        else None,
        "next_boot": dict(plan.next_boot) if plan else {},
    }


def _members(each: "DataclassInstance") -> dict[str, object]:
    """The fields as they are: `dataclasses.asdict` copies what is in them, which takes nine times as long."""
    return {name: getattr(each, name) for name in _names(type(each))}


@cache
def _names(kind: type["DataclassInstance"]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _loaded(name: str, host: HostPlanJson) -> HostPlan:
    if host.error is not None:
        return HostPlan(name=name, error=Failure(**host.error.model_dump()))
    held = host.preconditions
    return HostPlan(
        name=name,
        plan=NodePlan(
            changes=tuple(Change(**each.model_dump()) for each in host.changes),
            kept=tuple(Kept(**each.model_dump()) for each in host.unchanged),
            refused=tuple(Refused(**each.model_dump()) for each in host.refused),
            remedies=tuple(Remedy(**each.model_dump()) for each in host.remedies),
            risks=host.risks,
            preconditions=Preconditions(
                boot_id=held.boot_id,
                files={path: FileState(**state.model_dump()) for path, state in held.files.items()},
                live=held.live,
                writers=held.writers,
                protected=held.protected,
            )
            if held is not None
            else None,
            next_boot=host.next_boot,
        ),
    )


def _clean(value: Any) -> Any:  # noqa: ANN401  # whatever JSON holds
    """The same without lone surrogates, which Unicode and so JSON cannot hold: these become escapes."""
    match value:
        case str():
            return value if value.isascii() else value.encode(errors="backslashreplace").decode()
        case dict():
            return {_clean(name): _clean(member) for name, member in value.items()}
        case list() | tuple():
            return [_clean(member) for member in value]
        case _:
            return value
