"""DNS of the sending domains: each fault is named with its fix, and nothing of it crashes."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.dns import NameServer, public_key, quoted, sending_domain
from shared.doctor.domains import MOST, check_domains
from shared.doctor.finding import Finding, Patient, Severity
from shared.doctor.lookups import MOST as MOST_QUESTIONS
from shared.settings import load_settings

DOMAIN = "contoso.test"
ERROR, WARNING, NOTE, OK = Severity.ERROR, Severity.WARNING, Severity.NOTE, Severity.OK
KEY = "selector1-contoso-test._domainkey.contoso.onmicrosoft.com"
NEWER = "selector1-contoso-test._domainkey.contoso.r-v1.dkim.mail.microsoft"
WEAK = (
    "MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhALkXyrO72MlSGkbctvSWZgbTB8/93u5XIWovPxspUtiKOw1EcdOt/p93Xc6mwz"
    "7VuEtU6qQ9c7k+CKpVQtqucebU7KSx1R5tFaCqVMAPV25KRJTbRco5TtNjFZ3CcUKIawIDAQAB"
)
KEY_2 = "selector2-contoso-test._domainkey.contoso.onmicrosoft.com"


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    server = NameServer(sending_domain(DOMAIN))
    await server.start()
    yield server
    await server.stop()


async def look(
    names: NameServer, *, senders: str = f'["billing@{DOMAIN}"]', **others: str
) -> list[Finding]:
    loaded = load_settings(
        {
            "MAILROOM_SENDERS": senders,
            "MAILROOM_TENANT_ID": "tenant",
            "MAILROOM_CLIENT_ID": "client",
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "MAILROOM_NAME_SERVERS": f'["{names.address}"]',
            **others,
        }
    )
    nobody: Any = None
    patient = Patient(
        settings=loaded, accounts=nobody, storage=nobody, environment={}, clock=nobody
    )
    return list(await check_domains(patient))


async def test_a_domain_that_is_set_up_well(names: NameServer) -> None:
    found = await look(names)
    assert [(f.check, f.severity, f.subject) for f in found] == [
        (check, OK, DOMAIN) for check in ("dns.spf", "dns.dkim", "dns.dmarc", "dns.mx")
    ]
    assert "1 of 10 lookups" in found[0].detail
    assert "selector1 2048 bits" in found[1].detail


def txt(name: str, *texts: str) -> Callable[[NameServer], object]:
    def seed(names: NameServer) -> None:
        names.zone[name, "TXT"] = [quoted(text) for text in texts]

    return seed


def spf(text: str, **zone: str) -> Callable[[NameServer], object]:
    """The domain's record, and those of names: `inner_test="v=spf1 -all"` is of inner.test."""

    def seed(names: NameServer) -> None:
        names.zone[DOMAIN, "TXT"] = [quoted(text)]
        for name, value in zone.items():
            names.zone[name.replace("_", "."), "TXT"] = [quoted(value)]

    return seed


def without(*keys: tuple[str, str]) -> Callable[[NameServer], object]:
    return lambda names: [names.zone.pop(key) for key in keys]


def mx(*hosts: str) -> Callable[[NameServer], object]:
    return lambda names: names.zone.update({(DOMAIN, "MX"): list(hosts)})


def alias(selector: str, target: str) -> Callable[[NameServer], object]:
    key = f"{selector}._domainkey.{DOMAIN}", "CNAME"
    return lambda names: names.zone.update({key: [target]})


def chain(length: int) -> Callable[[NameServer], object]:
    """Includes that include each other, so many."""

    def seed(names: NameServer) -> None:
        names.zone[DOMAIN, "TXT"] = [
            quoted("v=spf1 include:spf.protection.outlook.com include:n1.test -all")
        ]
        for number in range(1, length + 1):
            following = f"include:n{number + 1}.test " if number < length else ""
            names.zone[f"n{number}.test", "TXT"] = [quoted(f"v=spf1 {following}-all")]

    return seed


@dataclass(frozen=True)
class Seeded:
    """A fault; the finding that must name it, and a part of detail and of fix."""

    name: str
    seed: Callable[[NameServer], object]
    check: str
    severity: Severity
    detail: str
    fix: str


OURS = "include:spf.protection.outlook.com"
FAULTS = [
    Seeded("no SPF", without((DOMAIN, "TXT")), "dns.spf", ERROR, "no SPF record", OURS),
    Seeded("other TXT alone", txt(DOMAIN, "v=spf10 -all", "google-site-verification=x"),
           "dns.spf", ERROR, "no SPF record", OURS),
    Seeded("two SPF records", txt(DOMAIN, "v=spf1 -all", f"v=spf1 {OURS} -all"),
           "dns.spf", ERROR, "2 SPF records", "Make one"),
    Seeded("SPF of another service", spf("v=spf1 include:spf.other.test -all",
                                         spf_other_test="v=spf1 -all"),
           "dns.spf", ERROR, "does not name Office 365", OURS),
    Seeded("SPF +all", spf(f"v=spf1 {OURS} +all"), "dns.spf", WARNING, "+all", "-all"),
    Seeded("SPF all", spf(f"v=spf1 {OURS} all"), "dns.spf", WARNING, "+all", "-all"),
    Seeded("SPF ?all", spf(f"v=spf1 {OURS} ?all"), "dns.spf", WARNING, "?all", "-all"),
    Seeded("SPF without all", spf(f"v=spf1 {OURS}"), "dns.spf", WARNING, "no `all`", "-all"),
    Seeded("SPF with 11 lookups", chain(10), "dns.spf", ERROR, "11 lookups", "10 lookups"),
    Seeded("SPF with very many", chain(40), "dns.spf", ERROR, "more than 20", "10 lookups"),
    Seeded("SPF loop", spf("v=spf1 include:a.test -all", a_test="v=spf1 include:a.test -all"),
           "dns.spf", ERROR, "a.test includes itself", "Mend"),
    Seeded("SPF of itself", spf(f"v=spf1 include:{DOMAIN} -all"),
           "dns.spf", ERROR, "includes itself", "Mend"),
    Seeded("SPF redirects in circles",
           spf("v=spf1 redirect=a.test", a_test="v=spf1 redirect=b.test",
               b_test="v=spf1 redirect=a.test"),
           "dns.spf", ERROR, "a.test includes itself", "Mend"),
    Seeded("no IPv4 address", spf(f"v=spf1 {OURS} ip4:999.1.1.1 -all"),
           "dns.spf", ERROR, "“ip4:999.1.1.1” is no network", "Mend"),
    Seeded("too long a prefix", spf(f"v=spf1 {OURS} ip4:192.0.2.0/33 -all"),
           "dns.spf", ERROR, "is no network", "Mend"),
    Seeded("IPv6 as ip4", spf(f"v=spf1 {OURS} ip4:::1 -all"),
           "dns.spf", ERROR, "is no network", "Mend"),
    Seeded("error after all", spf(f"v=spf1 {OURS} -all bogus"),
           "dns.spf", ERROR, "“bogus” is no term", "Mend"),
    Seeded("error in an include", spf(f"v=spf1 {OURS} include:a.test -all",
                                      a_test="v=spf1 ipv4:192.0.2.1 -all"),
           "dns.spf", ERROR, "is no term", "Mend"),
    Seeded("Office 365 forbidden", spf("v=spf1 -include:spf.protection.outlook.com ~all"),
           "dns.spf", ERROR, "does not name Office 365", OURS),
    Seeded("two redirects", spf(f"v=spf1 {OURS} redirect=a.test redirect=b.test",
                                a_test="v=spf1 -all"),
           "dns.spf", ERROR, "redirect= more than once", "Mend"),
    Seeded("void exists", spf(f"v=spf1 {OURS} exists:x.test exists:y.test exists:z.test -all"),
           "dns.spf", ERROR, "3 of its lookups have no answer", "Mend"),
    Seeded("DMARC of a part",
           txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject; pct=10; rua=mailto:a@b.c"),
           "dns.dmarc", NOTE, "a part of the mail", "take pct="),
    Seeded("DMARC on trial", txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject; t=y; rua=mailto:a@b.c"),
           "dns.dmarc", NOTE, "a part of the mail", "take pct="),
    Seeded("a filter first", mx("20 x.mail.protection.outlook.com.", "0 mx.filter.test."),
           "dns.mx", NOTE, "mx.filter.test", "delivery test"),
    Seeded("include of nothing", spf(f"v=spf1 {OURS} include:gone.test -all"),
           "dns.spf", ERROR, "gone.test, which it includes, has no SPF record", "Mend"),
    Seeded("include of two", lambda names: (spf(f"v=spf1 {OURS} include:two.test -all")(names),
                                            txt("two.test", "v=spf1 -all", "v=spf1 ~all")(names)),
           "dns.spf", ERROR, "has 2 SPF records", "Mend"),
    Seeded("misspelt term", spf("v=spf1 includes:spf.protection.outlook.com -all"),
           "dns.spf", ERROR, "is no term of SPF", "Mend"),
    Seeded("include without a name", spf(f"v=spf1 {OURS} include: -all"),
           "dns.spf", ERROR, "include:", "Mend"),
    Seeded("void lookups", spf(f"v=spf1 {OURS} a:x.test a:y.test mx:z.test -all"),
           "dns.spf", ERROR, "3 of its lookups have no answer", "Mend"),
    Seeded("no DKIM", without((f"selector1._domainkey.{DOMAIN}", "CNAME"),
                              (f"selector2._domainkey.{DOMAIN}", "CNAME")),
           "dns.dkim", WARNING, "selector1: missing", "New-DkimSigningConfig"),
    Seeded("one selector", without((f"selector2._domainkey.{DOMAIN}", "CNAME")),
           "dns.dkim", WARNING, "selector2: missing", "Publish both CNAMEs"),
    Seeded("CNAME to nothing", alias("selector1", "elsewhere.onmicrosoft.com."),
           "dns.dkim", WARNING, "no key at its end (elsewhere.onmicrosoft.com)", "Selector1CNAME"),
    Seeded("revoked key", txt(KEY, "v=DKIM1; k=rsa; p="), "dns.dkim", WARNING, "revoked",
           "Set-Dkim"),
    Seeded("weak key", txt(KEY, f"v=DKIM1; p={WEAK}"), "dns.dkim", WARNING, "768 bits", "Set-Dkim"),
    Seeded("key cut off", txt(KEY, f"v=DKIM1; k=rsa; p={public_key()[:100]}"),
           "dns.dkim", WARNING, "cannot be read", "Set-Dkim"),
    Seeded("no base64", txt(KEY, "v=DKIM1; k=rsa; p=***"), "dns.dkim", WARNING, "cannot be read",
           "Set-Dkim"),
    Seeded("no DKIM record", txt(KEY_2, "hello"), "dns.dkim", WARNING, "none of DKIM", "Set-Dkim"),
    Seeded("two keys", txt(KEY, f"v=DKIM1; p={public_key()}", "v=DKIM1; p=x"),
           "dns.dkim", WARNING, "several keys", "Set-Dkim"),
    Seeded("keys of another service",
           lambda names: (alias("selector1", "k.other.test.")(names),
                          txt("k.other.test", f"v=DKIM1; p={public_key()}")(names)),
           "dns.dkim", NOTE, "k.other.test, which is not Microsoft 365", "New-Dkim"),
    Seeded("no DMARC", without((f"_dmarc.{DOMAIN}", "TXT")),
           "dns.dmarc", WARNING, "no DMARC record", f"_dmarc.{DOMAIN}: v=DMARC1; p=none"),
    Seeded("two DMARC records", txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=none", "v=DMARC1; p=reject"),
           "dns.dmarc", WARNING, "2 records", "Keep one"),
    Seeded("DMARC without a policy", txt(f"_dmarc.{DOMAIN}", "v=DMARC1; rua=mailto:a@b.test"),
           "dns.dmarc", WARNING, "cannot be read", "Set p="),
    Seeded("DMARC misspelt", txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=rejected"),
           "dns.dmarc", WARNING, "cannot be read", "Set p="),
    Seeded("DMARC of another version", txt(f"_dmarc.{DOMAIN}", "v=DMARC2; p=none"),
           "dns.dmarc", WARNING, "no DMARC record", "v=DMARC1"),
    Seeded("DMARC none", txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=none; rua=mailto:a@b.test"),
           "dns.dmarc", NOTE, "policy none", "p=quarantine"),
    Seeded("DMARC without reports", txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject"),
           "dns.dmarc", NOTE, "no reports", "rua=mailto:"),
    Seeded("no MX", without((DOMAIN, "MX")), "dns.mx", WARNING, "no MX record", "Publish the MX"),
    Seeded("null MX", mx("0 ."), "dns.mx", WARNING, "takes no mail", "Publish the MX"),
    Seeded("MX elsewhere", mx("10 mx.filter.test."), "dns.mx", NOTE, "mx.filter.test",
           "delivery test"),
    Seeded("no such domain", lambda names: names.zone.clear(), "dns.mx", ERROR, "does not exist",
           "MAILROOM_SENDERS"),
    Seeded("name servers fail", lambda names: names.failing.add(DOMAIN),
           "dns.lookup", WARNING, "SERVFAIL", "delegation"),
    Seeded("name servers are silent", lambda names: names.silent.add(f"_dmarc.{DOMAIN}"),
           "dns.lookup", WARNING, "no answer in time", "MAILROOM_NAME_SERVERS"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_is_found_with_its_fix(names: NameServer, fault: Seeded) -> None:
    fault.seed(names)
    found = await look(names)
    told = [f for f in found if f.check == fault.check and fault.detail in f.detail]
    assert told, found
    assert told[0].severity == fault.severity
    assert fault.fix in told[0].fix
    assert all(f.cause and f.fix for f in found if f.severity > OK)


GOOD = {
    "redirect": spf("v=spf1 redirect=a.test", a_test=f"v=spf1 {OURS} ~all"),
    "office by another include": spf("v=spf1 include:a.test -all", a_test=f"v=spf1 {OURS} ?all"),
    "softfail, addresses and an explanation": spf(
        f"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1/64 mx {OURS} exp=why.contoso.test ~all"
    ),
    "macros": spf(f"v=spf1 {OURS} exists:%{{i}}._spf.contoso.test -all"),
    "capitals": spf(f"V=SPF1 {OURS.upper()} -ALL"),
    "a record in many strings": spf(f"v=spf1 {OURS} {'ip4:192.0.2.1 ' * 60}-all"),
    "a very long record": spf(f"v=spf1 {OURS} {'ip4:192.0.2.1 ' * 600}-all"),
    "keys of the newer form": lambda names: (
        alias("selector1", f"{NEWER}.")(names), txt(NEWER, f"p={public_key()}")(names),
    ),
    "MX of the newer form": mx("0 contoso-test.q-v1.mx.microsoft."),
    "a filter as the second MX": mx("0 x.mail.protection.outlook.com.", "10 mx.filter.test."),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
async def test_what_is_right_is_not_complained_of(names: NameServer, name: str) -> None:
    GOOD[name](names)
    found = await look(names)
    assert [f for f in found if f.severity > OK] == []


async def test_a_subdomain_takes_the_policy_of_its_organisation(names: NameServer) -> None:
    sub = "mail.contoso.com"  # a suffix that the public list knows
    names.zone |= sending_domain(sub)
    del names.zone[f"_dmarc.{sub}", "TXT"]
    policy = quoted("v=DMARC1; p=reject; sp=none; rua=mailto:a@b.c")
    names.zone["_dmarc.contoso.com", "TXT"] = [policy]
    found = await look(names, senders=f'["billing@{sub}"]')
    [told] = [f for f in found if f.check == "dns.dmarc"]
    assert (told.severity, told.subject) == (NOTE, sub)
    assert "_dmarc.contoso.com has the policy none" in told.detail


async def test_senders_and_their_mailboxes_are_asked_about_once_each(names: NameServer) -> None:
    senders = f'{{"*@{DOMAIN}": "a@{DOMAIN}", "x@shop.test": ["b@{DOMAIN}", "c@CONTOSO.test"]}}'
    found = await look(names, senders=senders)
    assert list(dict.fromkeys(f.subject for f in found)) == [DOMAIN, "shop.test"]
    assert len(names.asked) == len(set(names.asked))


async def test_the_initial_domain_is_microsofts_affair(names: NameServer) -> None:
    [told] = await look(names, senders='["a@contoso.onmicrosoft.com"]')
    assert (told.check, told.severity, names.asked) == ("dns.domains", OK, [])


async def test_with_many_domains_the_rest_is_told_of(names: NameServer) -> None:
    for number in range(MOST + 2):
        names.zone |= sending_domain(f"d{number}.test")
    senders = ", ".join(f'"a@d{number}.test"' for number in range(MOST + 2))
    found = await look(names, senders=f"[{senders}]")
    assert len({f.subject for f in found if f.check == "dns.spf"}) == MOST
    assert f"first {MOST} of {MOST + 2}" in found[-1].detail


async def test_another_service_has_selectors_and_includes_of_its_own(names: NameServer) -> None:
    names.zone[DOMAIN, "TXT"] = [quoted("v=spf1 ip4:192.0.2.1 -all")]
    found = await look(
        names, MAILROOM_SMTP_PRESET="custom", MAILROOM_SMTP_HOST="smtp.test",
        MAILROOM_SMTP_PORT="587", MAILROOM_TOKEN_SCOPE="https://smtp.test/.default",
    )  # fmt: skip
    assert {f.check: f.severity for f in found} == {
        "dns.spf": OK, "dns.dkim": NOTE, "dns.dmarc": OK, "dns.mx": OK,
    }  # fmt: skip


async def test_silence_about_many_domains_costs_the_others_nothing(names: NameServer) -> None:
    silent = [f"d{number}.test" for number in range(MOST - 1)]
    for domain in silent:
        names.silent |= {domain, f"_dmarc.{domain}", f"selector1._domainkey.{domain}"}
    senders = ", ".join(f'"a@{domain}"' for domain in (*silent, DOMAIN))
    found = await look(names, senders=f"[{senders}]")
    assert {f.severity for f in found if f.subject == DOMAIN} == {OK}
    assert {f.check for f in found if f.subject in silent} == {"dns.lookup"}


async def test_what_others_write_steers_no_terminal(names: NameServer) -> None:
    names.zone[DOMAIN, "TXT"] = ['"v=spf1 \\027[2Jall"']
    found = await look(names)
    assert "\x1b" not in repr([f.detail for f in found]).replace("\\x1b", "\x1b")


WORDS = st.sampled_from(
    ["v=spf1", "v=DMARC1;", "v=DKIM1;", "p=", "include:a.test", "include:b.test", "redirect=a.test",
     "a:b.test", "mx", "ptr", "exists:%{i}.a.test", "-all", "+all", "ip4:1.2.3.4/33", "ip6:::1",
     "p=none", "sp=reject;", "k=ed25519;", "a" * 300, "include:" + "x" * 70 + ".test", "::", "/24"]
)  # fmt: skip
HOSTILE = st.lists(WORDS | st.text(st.characters(codec="latin-1"), max_size=20), max_size=12).map(
    " ".join
)


@given(st.lists(HOSTILE, min_size=6, max_size=6))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_text_breaks_it_or_makes_it_ask_for_ever(
    names: NameServer, texts: list[str]
) -> None:
    places = (DOMAIN, "a.test", "b.test", f"_dmarc.{DOMAIN}", KEY, KEY_2)
    for place, text in zip(places, texts, strict=True):
        encoded = "".join(f"\\{octet:03}" for octet in text.encode("latin-1")[:250])
        names.zone[place, "TXT"] = [f'"{encoded}"']
    names.asked.clear()
    found = await look(names)
    assert {f.check for f in found} >= {"dns.mx"}
    assert len(names.asked) <= MOST_QUESTIONS
