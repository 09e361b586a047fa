"""What the header of an arrived mail tells, as different servers write it."""

from datetime import UTC, datetime

import pytest

from shared.delivery_tests.authentication import parse_results
from shared.delivery_tests.hops import parse_received
from shared.delivery_tests.observations import observe
from shared.delivery_tests.reading import read_arrival
from tests.delivery_tests.mails import EXCHANGE, GMAIL, POSTFIX, mail


def test_exchange_online() -> None:
    arrival = read_arrival(EXCHANGE, folder="inbox", sent_at=datetime(2026, 11, 27, 10, tzinfo=UTC))
    assert arrival.authentication.server == ""
    assert (arrival.spf, arrival.dkim, arrival.dmarc) == ("pass", "pass", "pass")
    assert arrival.compauth == "pass"
    assert arrival.authentication.verdicts[-1].reason == "100"
    assert arrival.seconds == 7
    assert [(h.security, h.tls, h.seconds) for h in arrival.hops] == [
        ("weak", "1.1", None), ("tls", "1.2", 2.0),
    ]  # fmt: skip
    assert arrival.hops[1].cipher == "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
    signature = arrival.signatures[0]
    assert (signature.result, signature.aligned) == ("pass", True)
    assert signature.covers[-1] == "x-ms-exchange-senderadcheck"
    assert arrival.unsubscribe_covered is None
    assert [one.what for one in observe(arrival)] == [
        "mail.contoso.com gave it to edge.example.com by TLS 1.1 alone."
    ]


def test_gmail() -> None:
    arrival = read_arrival(GMAIL)
    assert arrival.authentication.server == "mx.google.com"
    assert (arrival.spf, arrival.dkim, arrival.dmarc) == ("pass", "pass", "pass")
    assert [hop.security for hop in arrival.hops] == ["tls", "tls", "internal"]
    signature = arrival.signatures[0]
    # contoso.co.uk is the organisation of news.contoso.co.uk; co.uk is nobody's.
    assert (signature.domain, signature.result, signature.aligned) == (
        "contoso.co.uk",
        "pass",
        True,
    )
    assert arrival.unsubscribe_covered is False


def test_within_one_tenant_nothing_is_asked_of_the_signature() -> None:
    results = "Authentication-Results: dkim=none (message not signed) header.d=none;dmarc=none"
    received = "Received: from A (2001:db8::1) by B with mapi id 15.20; Fri, 27 Nov 2026 10:00:00 Z"
    author = ["From: a@contoso.com", "List-Unsubscribe: <mailto:u@contoso.com>"]
    within = "X-MS-Exchange-Organization-AuthAs: Internal"
    arrival = read_arrival(mail(results, received, within, *author))
    assert arrival.internal
    assert [one.what for one in observe(arrival)] == [
        "It stayed in one tenant, where Exchange checks no SPF, DKIM and DMARC."
    ]
    outside = read_arrival(
        mail(results, received, within.replace("Internal", "Anonymous"), *author)
    )
    assert "DKIM is none." in [one.what for one in observe(outside)]


def test_postfix() -> None:
    arrival = read_arrival(POSTFIX)
    assert [(hop.security, hop.tls) for hop in arrival.hops] == [("plain", ""), ("tls", "1.3")]
    assert arrival.hops[1].cipher == "TLS_AES_256_GCM_SHA384"
    assert arrival.hops[1].seconds == 3
    assert observe(arrival)[0].what.startswith("The receiving server tells nothing")


@pytest.mark.parametrize(
    ("value", "security", "tls"),
    [
        ("from a (TLS1.3) by b with esmtps (Exim 4.98) id 1; x", "tls", "1.3"),
        ("from a by b with ESMTPSA id 1; x", "tls", ""),
        ("from a by b with SMTP; x", "plain", ""),
        ("from a by b (8.18/8.18) with ESMTPS (version=TLSv1 cipher=AES)", "weak", "1.0"),
        ("from a by b with HTTPS; x", "tls", ""),
        ("from a by b with mapi id 15.20; x", "unknown", ""),
        ("from TLS1_3.example by b with SMTP id TLS1_3; x", "plain", ""),  # a name tells nothing
        ("by 2002:a05:1 with SMTP id 1; x", "internal", ""),
    ],
)
def test_how_a_hop_tells_of_tls(value: str, security: str, tls: str) -> None:
    hop = parse_received(value)
    assert (hop.security, hop.tls) == (security, tls)


def test_only_the_last_servers_results_count() -> None:
    """The sender has written results of his own, in the same server's name."""
    forged = "Authentication-Results: mx.test; dkim=pass header.d=bank.test; dmarc=pass"
    received = "Received: from a by b with ESMTPS; Fri, 27 Nov 2026 10:00:00 +0000"
    real = "Authentication-Results: mx.test; dkim=fail header.d=bank.test"
    more = "Authentication-Results: mx.test; dmarc=fail"
    other = "Authentication-Results: other.test; spf=pass"
    arrival = read_arrival(mail(received, real, more, other, received, forged, "From: a@bank.test"))
    assert (arrival.dkim, arrival.dmarc, arrival.spf) == ("fail", "fail", "")
    # Where the last server writes none, what stands below the whole way is the sender's.
    assert read_arrival(mail(received, forged)).authentication.verdicts == ()


def test_results_in_all_their_grammar() -> None:
    server, verdicts = parse_results(
        'Example.com 1; spf = pass (a; (nested) "quoted") smtp.mailfrom="a;b"@x.test ; '
        'dkim/1=fail reason="bad \\"key\\"" header.d=x.test; none; =; auth=pass (unclosed'
    )
    assert server == "example.com"
    assert [(v.method, v.result) for v in verdicts] == [
        ("spf", "pass"), ("dkim", "fail"), ("auth", "pass"),
    ]  # fmt: skip
    assert verdicts[0].properties == {"smtp.mailfrom": "a;b@x.test"}
    assert parse_results("mx.test; none") == ("mx.test", [])


def test_a_signature_of_another_domain_is_not_aligned() -> None:
    arrival = read_arrival(
        mail(
            "DKIM-Signature: d=contoso.onmicrosoft.com; s=s1; h=From:List-Unsubscribe",
            "Received: from a by b with ESMTPS; Fri, 27 Nov 2026 10:00:00 +0000",
            "From: a@contoso.com", "List-Unsubscribe: <mailto:u@contoso.com>",
        )
    )  # fmt: skip
    assert not arrival.signatures[0].aligned
    assert arrival.unsubscribe_covered is False
    assert any("contoso.onmicrosoft.com" in one.what for one in observe(arrival))


def test_both_fields_of_the_way_out_must_be_covered() -> None:
    def covered(names: str) -> bool | None:
        fields = ["From: a@x.test", "List-Unsubscribe: <x>", "List-Unsubscribe-Post: y"]
        return read_arrival(
            mail(f"DKIM-Signature: d=x.test; h={names}", *fields)
        ).unsubscribe_covered

    assert covered("from : LIST-Unsubscribe : list-unsubscribe-post") is True
    assert covered("from:list-unsubscribe") is False


def test_changed_fields_are_told_but_not_folding_nor_traces() -> None:
    sent = mail("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "To: a@x.test", "List-Id: <l>", "X-A: 1")
    arrived = mail(
        "Received: by b", "Subject: [EXT] =?utf-8?b?R3LDvMOfZQ==?=", "To:", "\ta@x.test", "X-A: 1",
        "X-MS-Exchange-Organization-SCL: 1", "Precedence: bulk",
    )  # fmt: skip
    changed = {one.name: one.change for one in read_arrival(arrived, sent=sent).changed}
    assert changed == {"subject": "changed", "list-id": "removed", "precedence": "added"}
    again = mail("Subject: =?utf-8?b?R3LDvMOfZQ==?=", "To: a@x.test", "List-Id: <l>", "X-A: 1")
    assert read_arrival(again, sent=sent).changed == ()
