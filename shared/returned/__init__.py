"""Returned mail, read: bounces, complaints and what else comes back. Bytes in, a value out."""

from shared.returned.parsing import parse_report
from shared.returned.reasons import HARD, reject_reason
from shared.returned.report import Reason, Report, ReportedRecipient, ReportKind

__all__ = [
    "HARD",
    "Reason",
    "Report",
    "ReportKind",
    "ReportedRecipient",
    "parse_report",
    "reject_reason",
]
