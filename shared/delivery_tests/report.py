"""What a delivery test tells: the models that are stored, answered and printed."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

HopSecurity = Literal["tls", "weak", "plain", "internal", "unknown"]
TestStatus = Literal["sending", "waiting", "arrived", "handed_over", "not_sent", "not_arrived"]
ENDED = frozenset[str]({"arrived", "handed_over", "not_sent", "not_arrived"})


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class Verdict(_View):
    """One method's result, such as dkim=pass (RFC 8601); properties such as `header.d`."""

    method: str
    result: str
    reason: str = ""
    properties: dict[str, str] = Field(default_factory=dict)


class Authentication(_View):
    """What the receiving server found. server: its name; Exchange gives none."""

    server: str = ""
    verdicts: tuple[Verdict, ...] = ()

    def result(self, method: str) -> str:
        """The method's result, the best of several (a mail may have two signatures); "" without."""
        results = [one.result for one in self.verdicts if one.method == method]
        return "pass" if "pass" in results else next(iter(results), "")


class Signature(_View):
    """A DKIM signature. result: the receiving server's, "" where it tells none."""

    domain: str
    selector: str
    algorithm: str
    result: str = ""
    aligned: bool = Field(description="Whether it counts for DMARC: its domain is the author's.")
    covers: tuple[str, ...] = Field(default=(), description="The fields that it covers (h=).")
    covers_unsubscribe: bool = Field(
        description="Whether it covers those of List-Unsubscribe and List-Unsubscribe-Post that "
        "the mail has."
    )


class Hop(_View):
    """One server that took the mail, as it says itself."""

    sender: str = Field(description="Who gave it the mail.")
    by: str
    protocol: str
    at: datetime | None = None
    seconds: float | None = Field(default=None, description="Since the hop before.")
    security: HopSecurity = Field(
        description="weak: TLS 1.1 or older. internal: handed on within one system. unknown: the "
        "server does not tell."
    )
    tls: str = Field(default="", description='The version of TLS, such as "1.3".')
    cipher: str = ""


class ChangedField(_View):
    """A header field that is not as it was sent; trace fields are none of them."""

    name: str
    change: Literal["added", "removed", "changed"]


class SpamVerdict(_View):
    """SpamAssassin's score of the mail as it arrived. problem: why there is none."""

    score: float | None = None
    threshold: float | None = None
    tests: tuple[str, ...] = ()
    problem: str = ""


class Observation(_View):
    """Something to mend, and how."""

    what: str
    fix: str


class Arrival(_View):
    """An arrived mail, read."""

    folder: Literal["inbox", "junk", "unknown"] = "unknown"
    arrived_at: datetime | None = None
    seconds: float | None = Field(default=None, description="From handing over to arrival.")
    spf: str = Field(default="", description='"" where the receiving server tells none.')
    dkim: str = ""
    dmarc: str = ""
    compauth: str = Field(default="", description="Exchange's composite authentication.")
    internal: bool = Field(
        default=False,
        description="Whether it stayed in one tenant: Exchange then checks no authentication.",
    )
    authentication: Authentication = Authentication()
    signatures: tuple[Signature, ...] = ()
    unsubscribe_covered: bool | None = Field(
        default=None,
        description="Whether an aligned signature covers List-Unsubscribe; null: there is none.",
    )
    hops: tuple[Hop, ...] = ()
    changed: tuple[ChangedField, ...] = ()
    spam: SpamVerdict | None = None


class DeliveryTest(_View):
    """One probe: asked for, sent, looked for. What has not happened yet is null."""

    id: str
    status: TestStatus
    to: str
    sender: str
    asked_at: datetime
    daily: bool = False
    message_id: str
    readable: bool = Field(description="Whether Mailroom reads the mailbox that it goes to.")
    sent_at: datetime | None = None
    queued_seconds: float | None = Field(
        default=None, description="From asking to Office 365's 250."
    )
    server_reply: str = ""
    looked_at: datetime | None = None
    ended_at: datetime | None = None
    arrival: Arrival | None = None
    observations: tuple[Observation, ...] = ()
    detail: str = ""
    fix: str = ""

    @property
    def ended(self) -> bool:
        return self.status in ENDED
