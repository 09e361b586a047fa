"""SpamAssassin's score: asked over its own protocol, and never in the way of a message."""

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.findings import Finding
from shared.lint import LintPolicy
from shared.lint.linter import Linter
from shared.lint.spamd import MAX_MESSAGE, Spamd, SpamdError, lint_spam, read_answer
from shared.messages.model import Address, Message
from tests.lint.mails import ALL_ON, attach, good_receipt, make_message, rules
from tests.lint.spamd_server import GTUBE, SpamdServer, running_spamd
from tests.storage.account import make_settings

OK = b"SPAMD/1.1 0 EX_OK\r\n"


def clock() -> datetime:
    return datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture
async def server() -> AsyncIterator[SpamdServer]:
    async with running_spamd() as server:
        yield server


async def ask(
    server: SpamdServer,
    message: Message,
    *,
    timeout: float = 10,
    policy: LintPolicy = ALL_ON,
) -> list[Finding]:
    spamd = Spamd(server.address, timeout=timeout)
    return await lint_spam(message, policy=policy, spamd=spamd, clock=clock)


async def test_spam_is_found_with_score_and_tests(server: SpamdServer) -> None:
    (found,) = await ask(server, make_message(text=f"Buy {GTUBE.decode()} now"))
    assert (found.rule, found.severity) == ("spam-score", "warning")
    assert found.why.startswith("It scores 1000, and 5 is spam (GTUBE, NO_RECEIVED).")


async def test_ham_is_no_finding(server: SpamdServer) -> None:
    assert await ask(server, good_receipt()) == []
    (content,) = server.questions
    assert content.startswith(b"Date: ")
    assert b"Subject: Your payment for invoice 1042\r\n" in content


async def test_bcc_is_not_told(server: SpamdServer) -> None:
    await ask(server, make_message(bcc=(Address(email="secret@fabrikam.com"),)))
    assert b"secret@" not in server.questions[0]


async def test_a_rule_that_is_off_asks_nobody(server: SpamdServer) -> None:
    off = LintPolicy.read({"spam-score": "off"})
    assert await ask(server, make_message(), policy=off) == []
    assert server.questions == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "no spamd"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no spamd"),
        (b"SPAMD/1.1 69 EX_UNAVAILABLE\r\n", "EX_UNAVAILABLE"),
        (OK + b"\r\n", "no score"),
        (OK + b"Spam: True ; many / 5\r\n\r\n", "no score"),
        (OK * 100_000, "no score"),
    ],
)
async def test_a_strange_answer_stops_nothing(
    server: SpamdServer, answer: bytes, said: str
) -> None:
    server.answer = answer
    (found,) = await ask(server, make_message())
    assert (found.rule, found.severity) == ("spam-unchecked", "info")
    assert said in found.why


async def test_silence_ends_with_the_time(server: SpamdServer) -> None:
    server.silent = True
    (found,) = await ask(server, make_message(), timeout=0.2)
    assert found.rule == "spam-unchecked"
    assert "0.2 seconds" in found.why


async def test_nobody_there_stops_nothing() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        gone = SpamdServer(port=closed.getsockname()[1])
        (found,) = await ask(gone, make_message())
    assert found.rule == "spam-unchecked"


async def test_what_is_too_large_or_no_mail_is_not_asked_about(server: SpamdServer) -> None:
    large = make_message(attachments=(attach("a.pdf", bytes(MAX_MESSAGE)),))
    nothing = make_message().model_copy(update={"text": None})
    for message in (large, nothing):
        (found,) = await ask(server, message)
        assert found.rule == "spam-unchecked"
    assert server.questions == []


@pytest.mark.parametrize(
    ("body", "tests"),
    [(b"A_B,C", ("A_B", "C")), (b"A,B\r\n", ("A", "B")), (b"", ()), (b"\r\n\r\n", ())],
)
def test_symbols_with_and_without_line_end(body: bytes, tests: tuple[str, ...]) -> None:
    found = read_answer(OK + b"Spam: False ; -0.1 / 5.0\r\n\r\n" + body)
    assert (found.score, found.threshold, found.tests) == (-0.1, 5.0, tests)


@given(st.binary(max_size=200), st.booleans())
def test_no_answer_makes_it_raise_anything_else(answer: bytes, begins: bool) -> None:
    try:
        found = read_answer(OK + answer if begins else answer)
    except SpamdError:
        return
    assert found.threshold == found.threshold


async def test_the_linter_asks_where_the_settings_name_one(server: SpamdServer) -> None:
    message = make_message(subject="Hello!!", text=GTUBE.decode() + " and so on")
    storage = "UseDevelopmentStorage=true"
    asking = Linter(make_settings(storage, MAILROOM_SPAMD=server.address), clock=clock)
    assert rules(await asking.lint(message)) >= {"spam-score", "subject-punctuation"}
    alone = Linter(make_settings(storage), clock=clock)
    assert "spam-score" not in rules(await alone.lint(message))
    assert len(server.questions) == 1
