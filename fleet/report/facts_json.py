"""The facts of many nodes as JSON, ``fleet.facts/1``."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainSerializer
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from fleet.model.facts import NodeFacts, Unavailable
from fleet.model.finding import Failure
from fleet.report.audit_json import ErrorJson
from fleet.report.json_text import clean, json_text


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsReport:
    """What one reading of the selected hosts gave.

    Attributes:
        started, finished: ISO 8601 in UTC.
        hosts: by inventory name, in the inventory's order.
    """

    started: str
    finished: str
    version: str
    hosts: Mapping[str, NodeFacts | Failure]


def _plain(value: object) -> Any:  # noqa: ANN401 JSON has no narrower type
    """A fact in the types of JSON; a reason stands where there is no fact, and bytes say how they are encoded."""
    plain: Any = value
    match value:
        case Unavailable():
            plain = {"unavailable": str(value.reason), "detail": clean(value.detail)}
        case str():
            plain = clean(value)
        case bytes():
            plain = _encoded(value)
        case Mapping():
            plain = {clean(str(key)): _plain(item) for key, item in value.items()}
        case frozenset():
            plain = sorted(clean(str(item)) for item in value)
        case tuple():
            plain = [_plain(item) for item in value]
        case _ if is_dataclass(value):
            plain = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return plain


def _encoded(content: bytes) -> dict[str, str]:
    try:
        return {"encoding": "utf-8", "data": content.decode()}
    except UnicodeDecodeError:
        return {"encoding": "base64", "data": base64.b64encode(content).decode()}


class FactsRunJson(BaseModel):
    """When the facts were read, and by what."""

    started: str = Field(description="ISO 8601, UTC.")
    finished: str = Field(description="ISO 8601, UTC.")
    version: str = Field(description="Version of fleet.")


class FactsHostJson(BaseModel):
    """One host: either `facts` or `error` is null."""

    error: ErrorJson | None
    facts: Annotated[NodeFacts, PlainSerializer(_plain)] | None


class FactsJson(BaseModel):
    """The result of `fleet facts`."""

    schema_: Literal["fleet.facts/1"] = Field(alias="schema")
    run: FactsRunJson
    hosts: dict[str, FactsHostJson] = Field(description="By inventory name, in the inventory's order.")


class FactsSchema(GenerateJsonSchema):
    """The JSON Schema of facts as they are written: where a fact can be missing, a reason can stand."""

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:  # noqa: ARG002 pydantic's signature
        return {
            "type": "object",
            "description": "The exact bytes: as text where they are UTF-8.",
            "properties": {"encoding": {"enum": ["utf-8", "base64"]}, "data": {"type": "string"}},
            "required": ["encoding", "data"],
        }

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        if schema["cls"] is not Unavailable:
            return super().dataclass_schema(schema)
        return {
            "type": "object",
            "description": "Why a fact could not be read; `detail` names the module, tool or path.",
            "properties": {"unavailable": {"type": "string"}, "detail": {"type": "string"}},
            "required": ["unavailable", "detail"],
        }

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,  # noqa: ARG002
        total: bool,  # noqa: ARG002, FBT001 pydantic's signature
    ) -> bool:
        return True


def facts_json(report: FactsReport) -> str:
    """The JSON text of ``fleet facts -f json``."""
    document = FactsJson(
        schema="fleet.facts/1",
        run=FactsRunJson(started=report.started, finished=report.finished, version=report.version),
        hosts={clean(name): _host(outcome) for name, outcome in report.hosts.items()},
    )
    return json_text(document)


def _host(outcome: NodeFacts | Failure) -> FactsHostJson:
    if isinstance(outcome, Failure):
        return FactsHostJson(error=ErrorJson(kind=outcome.kind, message=clean(outcome.message)), facts=None)
    return FactsHostJson(error=None, facts=outcome)
