"""What a check of a message found: one shape for lint and guard."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    `where` is a place that a person finds again (`html, line 12: <img src=…>`, `/subject`); `why`
    says what is wrong, `fix` what to do. `masked` shows what was found, as far as it may be shown.
    """

    rule: str
    severity: Severity
    where: str
    why: str
    fix: str
    masked: str = ""
