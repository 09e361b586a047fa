"""Whatever a mail's header holds, reading it ends, raises nothing and tells little at most."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.delivery_tests.observations import observe
from shared.delivery_tests.reading import read_arrival
from shared.delivery_tests.report import Arrival
from tests.delivery_tests.mails import EXCHANGE, GMAIL, POSTFIX

NAMES = ("Received", "Authentication-Results", "DKIM-Signature", "From", "List-Unsubscribe")
PIECES = (
    *("from ", "by ", "with ", "; ", "(", ")", '"', "\\", "=", " = ", "dkim=pass", "spf=", "TLS1_"),
    *("header.d=", "version=TLS1_3", "cipher=", ":", "h=", "d=x.test", "-0000", "é", "\x00", "@"),
    *("Fri, 99 Nov 99999 99:99:99 +9999", "=?utf-8?b?", "?=", "\r\n ", "a" * 100),
)
values = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
fields = st.tuples(st.sampled_from(NAMES), values).map(lambda pair: f"{pair[0]}: {pair[1]}\r\n")


def check(content: bytes) -> Arrival:
    arrival = read_arrival(content, sent=EXCHANGE)
    observe(arrival)
    # What is stored fits: a row of a table holds a megabyte.
    assert len(arrival.model_dump_json()) < 700_000
    assert Arrival.model_validate_json(arrival.model_dump_json()) == arrival
    for hop in arrival.hops:
        assert all(text.isprintable() for text in (hop.sender, hop.by, hop.protocol, hop.cipher))
    return arrival


@given(st.lists(fields, max_size=20).map("".join))
def test_fields_of_any_kind(header: str) -> None:
    check(header.encode() + b"\r\nText")


@given(st.binary(max_size=2000))
def test_any_octets(content: bytes) -> None:
    check(content)


@given(st.sampled_from([EXCHANGE, GMAIL, POSTFIX]), st.data())
def test_real_headers_cut_and_mended(content: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    check(content[:start] + data.draw(st.binary(max_size=20)) + content[end:])


@pytest.mark.parametrize(
    "line",
    [
        "Received: " + "(" * 100_000,
        "Received: " + "from a by b;" * 20_000,
        "Authentication-Results: x" + "; dkim=pass" * 50_000,
        "Authentication-Results: x; dkim=pass" + " a.b=" * 50_000,
        "DKIM-Signature: h=" + "a:" * 100_000,
        "DKIM-Signature: d=" + "a." * 100_000,
        'From: "' + "\\" * 100_000,
        "From: " + "<" * 100_000,
    ],
)
def test_long_fields_cost_what_their_bounds_allow(line: str) -> None:
    content = (f"{line}\r\n" * 50 + "Received: by x\r\n\r\n").encode()
    check(content)  # warm
    began = time.process_time()
    check(content)
    assert time.process_time() - began < 5  # some 50 ms; what grows by squares takes minutes


def test_a_header_of_many_fields_is_cut() -> None:
    arrival = check(b"Received: from a by b with SMTP\r\n" * 100_000)
    assert len(arrival.hops) == 50
