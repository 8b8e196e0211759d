"""Results as one HTML page that needs nothing beside it."""

from fleet.report.page.evidence import evidence_page
from fleet.report.page.page import report_page

__all__ = ["evidence_page", "report_page"]
