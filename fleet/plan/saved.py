"""Plans as text and files: what a reviewer approves, and what is applied to the byte."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

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

SCHEMA = "fleet.plan/1"

_MAX_BYTES = 256 * 2**20


def plan_text(plan: Plan) -> str:
    """The JSON of a plan, in ASCII; the same plan gives the same text."""
    data = {
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
        "hosts": {name: _host(host) for name, host in plan.hosts.items()},
    }
    cleaned: dict[str, object] = _clean(data)
    # DEL is the one control character that JSON leaves as it is; here it can only stand inside a string.
    return json.dumps({**cleaned, "digest": _digest(cleaned)}, indent=2).replace("\x7f", "\\u007f") + "\n"


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
                stream.write(plan_text(plan))
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
        text: as `plan_text` has made it.
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
    if _digest({name: value for name, value in json.loads(text).items() if name != "digest"}) != document.digest:
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


def _digest(data: Mapping[str, object]) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _host(host: HostPlan) -> Mapping[str, object]:
    plan = host.plan
    return {
        "status": host.status,
        "error": asdict(host.error) if host.error is not None else None,
        "changes": [asdict(each) for each in plan.changes] if plan else [],
        "unchanged": [asdict(each) for each in plan.kept] if plan else [],
        "refused": [asdict(each) for each in plan.refused] if plan else [],
        "remedies": [asdict(each) for each in plan.remedies] if plan else [],
        "risks": list(plan.risks) if plan else [],
        "preconditions": asdict(plan.preconditions) if plan and plan.preconditions else None,
        "next_boot": dict(plan.next_boot) if plan else {},
    }


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
