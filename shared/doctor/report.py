"""The findings as people and programs read them."""

import textwrap
from collections import Counter
from typing import Any

from shared.doctor.examination import Examination
from shared.doctor.finding import Finding, Severity

_COLOURS = {
    Severity.OK: "\x1b[32m",
    Severity.NOTE: "\x1b[36m",
    Severity.WARNING: "\x1b[33m",
    Severity.ERROR: "\x1b[31m",
}
_END = "\x1b[0m"
_WIDTH = 100


def as_json(examination: Examination) -> dict[str, Any]:
    """`{"worst", "at", "findings": [{"check", "severity", "subject", …}]}`."""
    return {
        "worst": examination.worst.name.lower(),
        "at": examination.at.isoformat(timespec="seconds"),
        "findings": [
            {
                "check": finding.check,
                "severity": finding.severity.name.lower(),
                "subject": finding.subject,
                "detail": finding.detail,
                "cause": finding.cause,
                "fix": finding.fix,
            }
            for finding in examination.findings
        ],
    }


def as_text(examination: Examination, *, colour: bool = False) -> str:
    """One paragraph a finding, the worst last, where a terminal shows them."""
    ordered = sorted(examination.findings, key=lambda finding: finding.severity)
    counts = Counter(finding.severity for finding in ordered)
    total = ", ".join(f"{counts[s]} {s.name.lower()}" for s in Severity if counts[s])
    return "\n".join([*(_paragraph(f, colour=colour) for f in ordered), total or "nothing found"])


def _paragraph(finding: Finding, *, colour: bool) -> str:
    mark = f"{finding.severity.name:<8}"
    if colour:
        mark = f"{_COLOURS[finding.severity]}{mark}{_END}"
    title = f"{finding.check} ({finding.subject})" if finding.subject else finding.check
    lines = [f"{mark}{_printable(title)}", _indented(finding.detail)]
    if finding.cause:
        lines.append(_indented(f"Cause: {finding.cause}"))
    if finding.fix:
        lines.append(_indented(f"Fix: {finding.fix}"))
    return "\n".join(lines)


def _indented(text: str) -> str:
    space = " " * 8
    return textwrap.fill(
        _printable(text), _WIDTH, initial_indent=space, subsequent_indent=space,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _printable(text: str) -> str:
    """Without what could steer a terminal: servers' own words are among the texts."""
    return "".join(c if c.isprintable() else " " for c in text)
