"""The JSON Schemas of what fleet prints, and of what people write for it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fleet.plan.document import PlanJson
from fleet.policy.playbook import PlaybookDocument
from fleet.policy.profile import ProfileDocument
from fleet.report.audit_json import AuditJson
from fleet.report.check_json import CheckJson
from fleet.report.compare_json import ComparisonJson
from fleet.report.diagnose_json import DiagnosisJson
from fleet.report.drift_json import DriftJson
from fleet.report.facts_json import FactsJson, FactsSchema
from fleet.report.history_json import HistoryJson
from fleet.report.inventory_json import InventoryJson
from fleet.report.notify_json import NotificationJson
from fleet.report.prove_json import ProofJson
from fleet.report.run_json import ApplyJson
from fleet.report.runs_json import RunsJson
from fleet.report.verify_json import VerifyJson

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def schemas() -> Mapping[str, Mapping[str, Any]]:
    """JSON Schema (draft 2020-12) by the name that ``fleet schema`` takes."""
    return {
        "apply": {"$schema": DIALECT, **ApplyJson.model_json_schema()},
        "audit": {"$schema": DIALECT, **AuditJson.model_json_schema()},
        "check": {"$schema": DIALECT, **CheckJson.model_json_schema()},
        "compare": {"$schema": DIALECT, **ComparisonJson.model_json_schema()},
        "diagnose": {"$schema": DIALECT, **DiagnosisJson.model_json_schema()},
        "drift": {"$schema": DIALECT, **DriftJson.model_json_schema()},
        "facts": {"$schema": DIALECT, **FactsJson.model_json_schema(schema_generator=FactsSchema)},
        "history": {"$schema": DIALECT, **HistoryJson.model_json_schema()},
        "inventory": {"$schema": DIALECT, **InventoryJson.model_json_schema()},
        "notification": {"$schema": DIALECT, **NotificationJson.model_json_schema()},
        "plan": {"$schema": DIALECT, **PlanJson.model_json_schema()},
        "playbook": {"$schema": DIALECT, **PlaybookDocument.model_json_schema()},
        "profile": {"$schema": DIALECT, **ProfileDocument.model_json_schema()},
        "prove": {"$schema": DIALECT, **ProofJson.model_json_schema()},
        "runs": {"$schema": DIALECT, **RunsJson.model_json_schema()},
        "verify": {"$schema": DIALECT, **VerifyJson.model_json_schema()},
    }
