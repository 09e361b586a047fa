"""What an arrival gives reason to mend, each with how."""

from collections.abc import Iterator

from shared.delivery_tests.report import Arrival, Observation


def observe(arrival: Arrival) -> tuple[Observation, ...]:
    """The observations, most pressing first; none where all is well."""
    found = [*_placed(arrival), *_authenticated(arrival), *_signed(arrival), *_carried(arrival)]
    return tuple(Observation(what=what, fix=fix) for what, fix in found)


def _placed(arrival: Arrival) -> Iterator[tuple[str, str]]:
    if arrival.folder == "junk":
        yield (
            "It arrived in the junk folder.",
            (
                "Mend what is told below first; then look at X-Forefront-Antispam-Report (SCL) in "
                "the mail, and at the sender's reputation in the other provider's postmaster tools."
            ),
        )
    spam = arrival.spam
    if spam and spam.score is not None and spam.score >= (spam.threshold or 0):
        yield (
            (
                f"SpamAssassin scores it {spam.score:g}; {spam.threshold:g} is spam "
                f"({', '.join(spam.tests[:10])})."
            ),
            "Look the tests up at spamassassin.apache.org, and mend what they name.",
        )
    elif spam and spam.problem:
        yield f"SpamAssassin gave no score: {spam.problem}", "Check MAILROOM_SPAMD."


def _authenticated(arrival: Arrival) -> Iterator[tuple[str, str]]:
    if arrival.internal:
        yield (
            "It stayed in one tenant, where Exchange checks no SPF, DKIM and DMARC.",
            "To see what others make of it, test with a mailbox of another provider.",
        )
        return
    if not arrival.authentication.verdicts:
        yield (
            "The receiving server tells nothing of SPF, DKIM and DMARC.",
            "Test with a mailbox of a provider whose servers write Authentication-Results.",
        )
        return
    if arrival.spf != "pass":
        yield (
            f"SPF is {arrival.spf or 'not told'}.",
            (
                "The TXT record of the sender's domain must include:spf.protection.outlook.com and "
                "ask for ten DNS look-ups at most."
            ),
        )
    if arrival.dkim != "pass":
        yield (
            f"DKIM is {arrival.dkim or 'not told'}.",
            (
                "Publish both selectors as CNAME and turn signing on: Defender portal, Email "
                "authentication settings, DKIM (Set-DkimSigningConfig -Enabled $true)."
            ),
        )
    if arrival.dmarc != "pass":
        yield (
            f"DMARC is {arrival.dmarc or 'not told'}.",
            (
                "The domain of the From address must pass SPF or DKIM in its own name, and "
                "have a TXT record _dmarc.<domain>, with p=none to begin with."
            ),
        )
    if arrival.compauth in {"fail", "softpass"}:
        yield (
            f"Exchange's composite authentication is {arrival.compauth}.",
            (
                "Its reason stands in Authentication-Results: see learn.microsoft.com, "
                "Anti-spam message headers."
            ),
        )


def _signed(arrival: Arrival) -> Iterator[tuple[str, str]]:
    removed = [one.name for one in arrival.changed if one.change == "removed"]
    if removed:
        yield (
            f"Header fields were removed on the way: {', '.join(removed[:10])}.",
            "Look for a mail flow rule, or a gateway, that removes them.",
        )
    if arrival.internal:
        return  # it is signed on its way out of the tenant
    if arrival.signatures and not any(one.aligned for one in arrival.signatures):
        names = ", ".join(sorted({one.domain for one in arrival.signatures}))
        yield (
            f"No DKIM signature is the sender domain's own ({names}).",
            "Turn signing on for the custom domain; until then the key is onmicrosoft.com's.",
        )
    if arrival.unsubscribe_covered is False:
        yield (
            "No aligned DKIM signature covers List-Unsubscribe, as RFC 8058 asks for.",
            (
                "Exchange Online's own signature leaves it out. A gateway that signs as well "
                "has to sign both List-Unsubscribe and List-Unsubscribe-Post."
            ),
        )


def _carried(arrival: Arrival) -> Iterator[tuple[str, str]]:
    for hop in arrival.hops:
        if hop.security in {"plain", "weak"}:
            how = f"by TLS {hop.tls} alone" if hop.security == "weak" else "without TLS"
            yield (
                f"{hop.sender} gave it to {hop.by} {how}.",
                (
                    "Let the connector or gateway there ask for TLS 1.2 or newer; MTA-STS and DANE "
                    "ask senders for it."
                ),
            )
