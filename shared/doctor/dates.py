"""Dates on which Office 365 changes: what is to come within 90 days, and what has come."""

from collections.abc import Sequence
from datetime import UTC, timedelta

from shared.currency.known_dates import KnownDate, load_known_dates
from shared.doctor.finding import Finding, Patient, Severity

AHEAD = timedelta(days=90)

_CHECK = "dates.known"


async def check_known_dates(patient: Patient) -> Sequence[Finding]:
    """A warning for each date ahead that the settings are concerned by, a note for each other one
    (the organisation may have other apps), and what a passed one means for these settings."""
    today = patient.clock().astimezone(UTC).date()
    known = load_known_dates()
    findings = []
    for one in known:
        concerned = one.is_about(patient.settings)
        if one.day <= today:
            if concerned:
                severity = Severity.ERROR if one.once_passed == "error" else Severity.NOTE
                findings.append(_finding(one, severity, f"Since {one.day}: {one.what}"))
        elif one.day - today <= AHEAD:
            days = (one.day - today).days
            when = f"On {one.day}, in {days} day{'s' if days > 1 else ''}: {one.what}"
            if concerned:
                findings.append(_finding(one, Severity.WARNING, when))
            else:
                when += " These settings are not concerned; other apps of yours may be."
                findings.append(_finding(one, Severity.NOTE, when))
    if findings:
        return findings
    detail = f"None of {len(known)} known dates is within {AHEAD.days} days or concerns you."
    return [Finding(check=_CHECK, severity=Severity.OK, detail=detail)]


def _finding(known: KnownDate, severity: Severity, detail: str) -> Finding:
    return Finding(
        check=_CHECK, severity=severity, subject=known.name, detail=detail,
        cause=f"Announced: {known.source}", fix=known.fix,
    )  # fmt: skip
