"""What is read of a returned mail, before and after it is understood."""

from dataclasses import dataclass

from shared.returned.mime import Headers, Mail
from shared.returned.report import ReportedRecipient, ReportKind


@dataclass(frozen=True, slots=True)
class Returned:
    """A mail that came back. said: what it says to people. original: the returned headers."""

    mail: Mail
    said: str
    original: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader of one format found. arrival: as the report writes it. sender: of the
    original, "" where the format does not tell."""

    kind: ReportKind = "other"
    recipients: tuple[ReportedRecipient, ...] = ()
    reporting_mta: str = ""
    envelope_id: str = ""
    arrival: str = ""
    sender: str = ""
    feedback_type: str = ""
