"""SPF (RFC 7208): what a domain's record says, and what it costs those who evaluate it."""

import re
from dataclasses import dataclass, field

from shared.doctor.lookups import Lookups, shown

MOST_LOOKUPS = 10  # section 4.6.4: more are a permanent error
MOST_VOID = 2  # of them, without an answer
_GIVE_UP = 20  # questions after which it does not matter how many more there are
OFFICE_365 = frozenset(
    {"spf.protection.outlook.com", "spf.protection.office365.us",
     "spf.protection.partner.outlook.cn"}
)  # fmt: skip
_VERSION = "v=spf1"
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE | re.DOTALL)
_MECHANISM = re.compile(
    r"([+?~-]?)([a-z0-9]+)(?::([^/\s]\S*?))?((?:/{1,2}\d{1,3}){0,2})", re.IGNORECASE
)
_IP = re.compile(r"([+?~-]?)ip([46]):([0-9a-f.:]+)(/\d{1,3})?", re.IGNORECASE)
_ASKING = {"a": "A", "mx": "MX", "exists": "A"}


@dataclass(slots=True)
class Spf:
    """What was read. faults: sentences about errors, which make receivers ignore the record;
    final: the qualifier of `all`, "" where there is none."""

    records: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)
    included: set[str] = field(default_factory=set)
    lookups: int = 0
    void: int = 0
    final: str = ""

    @property
    def office_365(self) -> bool:
        return bool(self.included & OFFICE_365)


async def read_spf(domain: str, lookups: Lookups) -> Spf:
    """The record of a domain, with all that it includes. Raises LookupTroubleError."""
    spf = Spf()
    spf.records = await _records(domain, lookups)
    if len(spf.records) == 1:
        await _Walk(spf, lookups).follow(domain, spf.records[0], frozenset({domain.lower()}))
        if spf.lookups > MOST_LOOKUPS:
            more = "more than 20" if spf.lookups >= _GIVE_UP else str(spf.lookups)
            spf.faults.append(f"It takes {more} lookups; {MOST_LOOKUPS} are allowed.")
        if spf.void > MOST_VOID:
            spf.faults.append(f"{spf.void} of its lookups have no answer; {MOST_VOID} are allowed.")
    return spf


async def _records(domain: str, lookups: Lookups) -> tuple[str, ...]:
    found = await lookups.ask(domain, "TXT")
    return tuple(
        text for text in found.values
        if text.lower() == _VERSION or text.lower().startswith(f"{_VERSION} ")
    )  # fmt: skip


@dataclass(slots=True)
class _Walk:
    """Through a record and its includes, until too much was asked."""

    spf: Spf
    lookups: Lookups

    async def follow(self, domain: str, record: str, above: frozenset[str]) -> None:
        """above: the domains whose records led here, this one too."""
        top = len(above) == 1
        redirect, final = "", ""
        for term in record.split()[1:]:
            if self.spf.lookups >= _GIVE_UP or final:
                break
            modifier = _MODIFIER.fullmatch(term)
            if modifier is not None:
                if modifier[1].lower() == "redirect":
                    redirect = modifier[2]
                continue
            final = await self._mechanism(domain, term, above)
        if redirect and not final and self.spf.lookups < _GIVE_UP:
            final = await self._include(redirect, above, top=top)
        if top:
            self.spf.final = self.spf.final or final

    async def _mechanism(self, domain: str, term: str, above: frozenset[str]) -> str:
        """Returns the qualifier where it is `all`, else ""."""
        if _IP.fullmatch(term):
            return ""
        parts = _MECHANISM.fullmatch(term)
        name = parts[2].lower() if parts else ""
        if parts is None or name not in {"all", "include", "a", "mx", "ptr", "exists"}:
            self.spf.faults.append(f"“{shown(term)}” is no term of SPF.")
            return ""
        target = parts[3] or ""
        if name == "all":
            return parts[1] or "+"
        if name in {"include", "exists"} and not target:
            self.spf.faults.append(f"“{shown(term)}” names no domain.")
            return ""
        if name == "include":
            await self._include(target, above)
            return ""
        self.spf.lookups += 1
        if name in _ASKING and "%" not in target:
            found = await self.lookups.ask(target or domain, "MX" if name == "mx" else "A")
            if not found.values and name == "a":
                found = await self.lookups.ask(target or domain, "AAAA")
            self.spf.void += not found.values and name != "exists"
        return ""

    async def _include(self, target: str, above: frozenset[str], *, top: bool = False) -> str:
        """Follows an include, or a redirect of the domain itself (top), whose `all` it returns."""
        name = target.lower().rstrip(".")
        self.spf.lookups += 1
        self.spf.included.add(name)
        if "%" in target:
            return ""
        if name in above:
            self.spf.faults.append(f"{shown(name)} includes itself.")
            return ""
        records = await _records(name, self.lookups)
        if len(records) != 1:
            self.spf.void += not records
            what = "no SPF record" if not records else f"{len(records)} SPF records"
            self.spf.faults.append(f"{shown(name)}, which it includes, has {what}.")
            return ""
        before = self.spf.final
        await self.follow(name, records[0], above | {name} if not top else frozenset({name}))
        found, self.spf.final = (self.spf.final, before) if top else ("", before)
        return found
