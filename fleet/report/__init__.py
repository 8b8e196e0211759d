"""Results in the forms that people and machines read."""

from fleet.report.audit_json import audit_json
from fleet.report.facts_json import FactsReport, facts_json
from fleet.report.inventory_json import SelectedHost, inventory_json
from fleet.report.junit import audit_junit
from fleet.report.markdown import audit_markdown
from fleet.report.schema import schemas
from fleet.report.status import exit_code, host_status
from fleet.report.terminal import render_audit, render_inventory, render_summary

__all__ = [
    "FactsReport",
    "SelectedHost",
    "audit_json",
    "audit_junit",
    "audit_markdown",
    "exit_code",
    "facts_json",
    "host_status",
    "inventory_json",
    "render_audit",
    "render_inventory",
    "render_summary",
    "schemas",
]
