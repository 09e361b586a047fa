"""DMARC (RFC 7489): which policy holds for a domain."""

from dataclasses import dataclass, field

from shared.doctor.dkim import read_tags
from shared.doctor.lookups import Lookups
from shared.lint.domains import organisational_domain

POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class Dmarc:
    """The record that counts. at: the domain that has it; "" for none. policy: for the domain
    asked about, "" where it cannot be read."""

    at: str = ""
    count: int = 0
    policy: str = ""
    tags: dict[str, str] = field(default_factory=dict)


async def read_dmarc(domain: str, lookups: Lookups) -> Dmarc:
    """The domain's own record, else its organisational domain's (section 6.6.3). Raises
    LookupTroubleError."""
    for at in dict.fromkeys((domain, organisational_domain(domain))):
        found = await lookups.ask(f"_dmarc.{at}", "TXT")
        records = [text for text in found.values if read_tags(text).get("v") == "DMARC1"]
        records = [text for text in records if text.lstrip().lower().startswith("v")]
        if len(records) > 1:
            return Dmarc(at, len(records))
        if records:
            tags = read_tags(records[0])
            policy = tags.get("p", "").lower()
            if at != domain:
                policy = tags.get("sp", policy).lower()
            return Dmarc(at, 1, policy if policy in POLICIES else "", tags)
    return Dmarc()
