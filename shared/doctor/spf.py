"""SPF (RFC 7208): what a domain's record says, and what it costs those who evaluate it."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_network

from shared.doctor.lookups import Lookups, RecordType, shown

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
_ASKING: dict[str, RecordType] = {"a": "A", "mx": "MX", "exists": "A"}
_NAMES = frozenset({"all", "include", "a", "mx", "ptr", "exists"})


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


def _faults(record: str) -> list[str]:
    """What is wrong with the terms by themselves: an error anywhere breaks all (section 4.6)."""
    found = []
    modifiers: list[str] = []
    for term in record.split()[1:]:
        modifier, parts = _MODIFIER.fullmatch(term), _MECHANISM.fullmatch(term)
        name = parts[2].lower() if parts else ""
        if modifier is not None:
            modifiers.append(modifier[1].lower())
        elif term.lower().lstrip("+-~?").startswith(("ip4:", "ip6:")):
            if not _is_network(term):
                found.append(f"“{shown(term)}” is no network.")
        elif parts is None or name not in _NAMES:
            found.append(f"“{shown(term)}” is no term of SPF.")
        elif name in {"include", "exists"} and not parts[3]:
            found.append(f"“{shown(term)}” names no domain.")
    found += [
        f"It has {name}= more than once."
        for name in ("redirect", "exp") if modifiers.count(name) > 1
    ]  # fmt: skip
    return found


def _is_network(term: str) -> bool:
    kind, _, network = term.lower().lstrip("+-~?").partition(":")
    try:
        return ip_network(network, strict=False).version == int(kind.removeprefix("ip"))
    except ValueError:
        return False


@dataclass(slots=True)
class _Walk:
    """Through a record and its includes, until too much was asked."""

    spf: Spf
    lookups: Lookups

    async def follow(
        self, domain: str, record: str, above: frozenset[str], *, top: bool = True
    ) -> None:
        """above: the domains whose records led here, this one too. top: it is the domain's own
        record, or in its place by a redirect."""
        self.spf.faults += _faults(record)
        redirect, final = "", ""
        for term in record.split()[1:]:
            modifier = _MODIFIER.fullmatch(term)
            if self.spf.lookups >= _GIVE_UP or final:
                break
            if modifier is None:
                final = await self._mechanism(domain, term, above)
            elif modifier[1].lower() == "redirect":
                redirect = modifier[2]
        if top:
            self.spf.final = final
        if redirect and not final and self.spf.lookups < _GIVE_UP:
            await self._include(redirect, above, top=top, passes=True)

    async def _mechanism(self, domain: str, term: str, above: frozenset[str]) -> str:
        """Returns the qualifier where it is `all`, else ""."""
        parts = _MECHANISM.fullmatch(term)
        if parts is None:
            return ""
        name, target = parts[2].lower(), parts[3] or ""
        if name == "all":
            return parts[1] or "+"
        if name == "include" and target:
            await self._include(target, above, top=False, passes=parts[1] in {"", "+"})
        elif name in _ASKING or name == "ptr":
            self.spf.lookups += 1
            if name != "ptr" and "%" not in target:
                await self._ask(name, target or domain)
        return ""

    async def _ask(self, name: str, target: str) -> None:
        found = await self.lookups.ask(target, _ASKING[name])
        if not found.values and name == "a":
            found = await self.lookups.ask(target, "AAAA")
        self.spf.void += not found.values

    async def _include(
        self, target: str, above: frozenset[str], *, top: bool, passes: bool
    ) -> None:
        """Follows an include or a redirect. passes: mail that it allows is allowed."""
        name = target.lower().rstrip(".")
        self.spf.lookups += 1
        if "%" in target:
            return
        if passes:
            self.spf.included.add(name)
        if name in above:
            self.spf.faults.append(f"{shown(name)} includes itself.")
            return
        records = await _records(name, self.lookups)
        if len(records) != 1:
            self.spf.void += not records
            what = "no SPF record" if not records else f"{len(records)} SPF records"
            self.spf.faults.append(f"{shown(name)}, which it includes, has {what}.")
            return
        await self.follow(name, records[0], above | {name}, top=top)
