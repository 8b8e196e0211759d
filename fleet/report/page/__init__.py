"""Results as one HTML page that needs nothing beside it."""

from fleet.report.page.evidence import evidence_page
from fleet.report.page.page import report_page
from fleet.report.page.trend import TrendPoint, trend_point

__all__ = ["TrendPoint", "evidence_page", "report_page", "trend_point"]
