"""DNS of the sending domains: whether receivers will believe the mail, and bounces come back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from shared.concurrency import run_bounded
from shared.doctor.dkim import Selector, read_selectors
from shared.doctor.dmarc import Dmarc, read_dmarc
from shared.doctor.finding import Finding, Patient, Severity
from shared.doctor.lookups import Lookups, LookupTroubleError, shown
from shared.doctor.spf import Spf, read_spf
from shared.settings import Settings

MOST = 10  # domains that are looked at
_PATIENCE = 8.0  # seconds for each record with all that it leads to
_INITIAL = (".onmicrosoft.com", ".onmicrosoft.us", ".partner.onmschina.cn")
_EXCHANGE_ONLINE = (
    ".mail.protection.outlook.com", ".mx.microsoft", ".mail.protection.office365.us",
    ".mail.protection.partner.outlook.cn",
)  # fmt: skip


class Verdict(NamedTuple):
    """A finding without its name."""

    severity: Severity
    detail: str
    cause: str = ""
    fix: str = ""


type _Look = Callable[[str, Lookups, Settings], Awaitable[Verdict]]


async def check_domains(patient: Patient) -> Sequence[Finding]:
    """DNS of each sending domain: SPF, DKIM and DMARC, which receivers ask for, and MX, which
    bounces come back by."""
    domains = sending_domains(patient.settings)

    async def look(domain: str) -> list[Finding]:
        lookups = Lookups(patient.settings.name_servers)
        return await asyncio.gather(
            *(_look(check, domain, lookups, patient.settings) for check in _LOOKS)
        )

    own = [domain for domain in domains if not domain.endswith(_INITIAL)]
    found = await run_bounded(look, own[:MOST], at_once=MOST)
    findings = [finding for findings in found for finding in findings]
    if len(own) > MOST:
        findings.append(_beyond(len(own)))
    if not own:
        findings.append(_nothing_to_ask())
    return findings


def sending_domains(settings: Settings) -> list[str]:
    """The domains of the From addresses and of their mailboxes, each once."""
    addresses = [*settings.senders, *settings.mailboxes]
    return list(dict.fromkeys(one.rpartition("@")[2].lower() for one in addresses))


async def _look(check: str, domain: str, lookups: Lookups, settings: Settings) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE):
            verdict = await _LOOKS[check](domain, lookups, settings)
        return Finding(check=check, subject=domain, **verdict._asdict())
    except (LookupTroubleError, TimeoutError) as error:
        trouble = f"{error}." if str(error) else f"{check}: no answer in {_PATIENCE:g} seconds."
        return Finding(
            check="dns.lookup", severity=Severity.WARNING, subject=domain, detail=trouble,
            cause="The domain's name servers, or those that are asked, do not answer.",
            fix="Ask again later; check the domain's delegation at the registrar, outbound port "
            "53, and MAILROOM_NAME_SERVERS.",
        )  # fmt: skip


async def _spf(domain: str, lookups: Lookups, settings: Settings) -> Verdict:
    return _judge_spf(domain, await read_spf(domain, lookups), settings)


def _judge_spf(domain: str, spf: Spf, settings: Settings) -> Verdict:
    ours = "v=spf1 include:spf.protection.outlook.com -all"
    if not spf.records:
        return Verdict(
            Severity.ERROR, "There is no SPF record.",
            "Gmail, Yahoo and Outlook.com refuse or junk mail of domains without one.",
            f"Publish a TXT record for {domain}: {ours}",
        )  # fmt: skip
    if len(spf.records) > 1:
        return Verdict(
            Severity.ERROR, f"There are {len(spf.records)} SPF records; receivers then use none.",
            "Another service has had its own record added.",
            f"Make one of them, with all includes: {ours} plus the other services' includes.",
        )  # fmt: skip
    if spf.faults:
        return Verdict(
            Severity.ERROR, f"{' '.join(spf.faults[:3])} In: {shown(spf.records[0])}",
            "Receivers treat the record as broken (permerror), and the mail as unauthenticated.",
            "Mend these terms; remove includes of services that do not send any more, so that 10 "
            "lookups are enough.",
        )  # fmt: skip
    if not spf.office_365 and settings.smtp_preset != "custom":
        return Verdict(
            Severity.ERROR, f"It does not name Office 365: {shown(spf.records[0])}",
            "The record was made for another mail service.",
            "Add include:spf.protection.outlook.com before the term `all`.",
        )  # fmt: skip
    if spf.final in {"+", "?", ""}:
        what = f"ends in {spf.final}all" if spf.final else "has no `all`"
        return Verdict(
            Severity.WARNING, f"It {what}: {shown(spf.records[0])}",
            "It then says nothing about mail from elsewhere: anybody can send as the domain.",
            "End it in -all, or ~all while senders are still being found.",
        )  # fmt: skip
    detail = f"{shown(spf.records[0])} ({spf.lookups} of 10 lookups)"
    return Verdict(Severity.OK, detail)


async def _dkim(domain: str, lookups: Lookups, settings: Settings) -> Verdict:
    return _judge_dkim(domain, await read_selectors(domain, lookups), settings)


def _judge_dkim(domain: str, selectors: Sequence[Selector], settings: Settings) -> Verdict:
    wrong = [one for one in selectors if one.fault]
    said = "; ".join(
        f"{one.name}: {one.fault}" + (f" ({shown(one.target)})" if one.target else "")
        for one in wrong
    )
    fix = (
        f"In Exchange Online PowerShell: New-DkimSigningConfig -DomainName {domain} -Enabled "
        f"$false; Get-DkimSigningConfig -Identity {domain} | Format-List Selector1CNAME, "
        "Selector2CNAME. Publish both CNAMEs, then Set-DkimSigningConfig -Identity "
        f"{domain} -Enabled $true."
    )
    if settings.smtp_preset == "custom":
        return Verdict(
            Severity.NOTE, "The selectors of another service than Microsoft 365 are not known.",
            "MAILROOM_SMTP_PRESET is custom.", "Send a delivery test: it shows who signs.",
        )  # fmt: skip
    if len(wrong) == len(selectors):
        return Verdict(
            Severity.WARNING, f"No key of Microsoft 365 is published: {said}.",
            "Custom DKIM is not set up, so that mail is signed for *.onmicrosoft.com, which does "
            "not count for this domain's DMARC.", fix,
        )  # fmt: skip
    if wrong:
        return Verdict(
            Severity.WARNING, f"One of the two keys is not usable: {said}.",
            "A CNAME is missing or wrong. Signatures fail when Microsoft 365 next changes keys.",
            fix,
        )  # fmt: skip
    foreign = [one for one in selectors if one.target and not one.microsoft]
    if foreign:
        where = ", ".join(shown(one.target) for one in foreign)
        return Verdict(
            Severity.NOTE, f"The selectors lead to {where}, which is not Microsoft 365.",
            "Another service uses the same selector names, or a proxy of names stands between.",
            fix,
        )  # fmt: skip
    bits = ", ".join(f"{one.name} {one.bits} bits" for one in selectors)
    return Verdict(Severity.OK, f"Both keys are published: {bits}.")


async def _dmarc(domain: str, lookups: Lookups, _: Settings) -> Verdict:
    return _judge_dmarc(domain, await read_dmarc(domain, lookups))


def _judge_dmarc(domain: str, dmarc: Dmarc) -> Verdict:
    ours = f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}"
    if not dmarc.count:
        return Verdict(
            Severity.WARNING, "There is no DMARC record.",
            "Gmail, Yahoo and Outlook.com ask for one of whoever sends them much.",
            f"Publish a TXT record for _dmarc.{domain}: {ours}; later p=quarantine, then p=reject.",
        )  # fmt: skip
    if dmarc.count > 1:
        return Verdict(
            Severity.WARNING,
            f"_dmarc.{dmarc.at} has {dmarc.count} records; receivers then use none.",
            "Another service has had its own record added.", f"Keep one of them: {ours}",
        )  # fmt: skip
    if not dmarc.policy:
        return Verdict(
            Severity.WARNING, f"The policy of _dmarc.{dmarc.at} cannot be read.",
            "p= is missing or misspelt.", "Set p= to none, quarantine or reject.",
        )  # fmt: skip
    return _judge_policy(domain, dmarc)


def _judge_policy(domain: str, dmarc: Dmarc) -> Verdict:
    if dmarc.policy == "none":
        return Verdict(
            Severity.NOTE, f"_dmarc.{dmarc.at} has the policy none: forgeries are delivered.",
            "That is the right beginning, not the end.",
            "When the reports show that SPF and DKIM pass, set p=quarantine, then p=reject.",
        )  # fmt: skip
    if dmarc.tags.get("pct", "100") != "100" or dmarc.tags.get("t") == "y":
        return Verdict(
            Severity.NOTE, f"_dmarc.{dmarc.at} ({dmarc.policy}) holds for a part of the mail only.",
            "pct= or t=y is a test: what it leaves out is delivered, or treated more mildly.",
            "When the reports show that SPF and DKIM pass, take pct= and t= away.",
        )  # fmt: skip
    if not dmarc.tags.get("rua"):
        return Verdict(
            Severity.NOTE, f"_dmarc.{dmarc.at} ({dmarc.policy}) asks for no reports.",
            "rua= is missing: nobody sees when mail of one's own fails.",
            f"Add rua=mailto:dmarc@{domain} (or the address of a service that reads reports).",
        )  # fmt: skip
    return Verdict(Severity.OK, f"_dmarc.{dmarc.at} has the policy {dmarc.policy}, with reports.")


async def _mx(domain: str, lookups: Lookups, _: Settings) -> Verdict:
    found = await lookups.ask(domain, "MX")
    ranked = sorted((int(record.partition(" ")[0]), record) for record in found.values)
    first = [record for preference, record in ranked if preference == ranked[0][0]]
    hosts = [record.partition(" ")[2].lower() for record in first]
    return _judge_mx(domain, hosts, exists=found.exists)


def _judge_mx(domain: str, hosts: Sequence[str], *, exists: bool) -> Verdict:
    publish = f"Publish the MX that the Microsoft 365 admin center shows for {domain}."
    if not exists:
        return Verdict(
            Severity.ERROR, "The domain does not exist in DNS.",
            "It is misspelt in MAILROOM_SENDERS, has lapsed, or is an inner name.",
            "Correct MAILROOM_SENDERS, or renew the domain.",
        )  # fmt: skip
    if not hosts:
        return Verdict(
            Severity.WARNING, "There is no MX record.",
            "Replies and the bounces of other servers are then sent to the domain's own address "
            "(RFC 5321 section 5.1), if it has one; many receivers refuse mail of such a domain.",
            publish,
        )  # fmt: skip
    if hosts in (["."], [""]):
        return Verdict(
            Severity.WARNING, "The MX says that the domain takes no mail (RFC 7505).",
            "Bounces cannot come back; receivers refuse mail from it.", publish,
        )  # fmt: skip
    elsewhere = [host for host in hosts if not host.endswith(_EXCHANGE_ONLINE)]
    if elsewhere:
        return Verdict(
            Severity.NOTE, f"Mail to the domain goes to {shown(elsewhere[0])}.",
            "Another server, or a filter, stands before Exchange Online.",
            "See that bounces reach the mailboxes which Mailroom reads: a delivery test shows it.",
        )  # fmt: skip
    return Verdict(Severity.OK, f"Mail to the domain goes to Exchange Online ({shown(hosts[0])}).")


def _beyond(count: int) -> Finding:
    return Finding(
        check="dns.domains", severity=Severity.NOTE,
        detail=f"Only the first {MOST} of {count} domains were looked at.",
        cause="The doctor asks for 20 seconds at most.",
        fix="Run it with other MAILROOM_SENDERS for the rest.",
    )  # fmt: skip


def _nothing_to_ask() -> Finding:
    return Finding(
        check="dns.domains", severity=Severity.OK,
        detail="All senders are of the tenant's initial domain, whose DNS Microsoft keeps.",
    )  # fmt: skip


_LOOKS: dict[str, _Look] = {
    "dns.spf": _spf,
    "dns.dkim": _dkim,
    "dns.dmarc": _dmarc,
    "dns.mx": _mx,
}
