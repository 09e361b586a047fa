"""How a session begins, and all the ways in which it does not."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.office365 import Fault, Office365Server
from shared.delivery.session import SessionError, SignIn
from tests.delivery.conftest import BILLING, OpenSession, SignIns
from tests.delivery.envelope import mail


async def failure(open_: OpenSession, **changes: Any) -> SessionError:
    with pytest.raises(SessionError) as raised:
        await open_(**changes)
    return raised.value


async def test_a_session_is_encrypted_and_signed_in(
    office: Office365Server, open_: OpenSession
) -> None:
    session = await open_()
    assert session.usable
    assert await session.check()
    await session.hand_over(mail())
    (kept,) = office.messages
    assert kept.mailbox == BILLING
    assert kept.tls_version in {"TLSv1.2", "TLSv1.3"}
    assert office.counters.auths == 1


async def test_without_starttls_nothing_is_said_and_nobody_signs_in(
    office: Office365Server, open_: OpenSession
) -> None:
    office.faults.add([Fault("ehlo", "reply", reply="250 only HELO here")])
    error = await failure(open_)
    assert error.stage == "starttls"
    assert error.reply is None
    assert "offers no STARTTLS" in error.detail
    assert "587" in error.fix
    assert office.counters.auths == 0


async def test_a_refused_starttls_is_no_session(
    office: Office365Server, open_: OpenSession
) -> None:
    office.faults.add([Fault("starttls", "reply", reply="454 4.7.0 TLS not available")])
    error = await failure(open_)
    assert (error.stage, error.reply and error.reply.code) == ("starttls", 454)
    assert office.counters.auths == 0


async def test_a_certificate_of_an_unknown_authority_is_refused(
    office: Office365Server, open_: OpenSession
) -> None:
    strangers = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    error = await failure(open_, tls=strangers)
    assert error.stage == "starttls"
    assert "CERTIFICATE_VERIFY_FAILED" in error.detail
    assert "SSL_CERT_FILE" in error.fix
    assert office.counters.auths == 0


async def test_a_certificate_of_another_name_is_refused(
    office: Office365Server, open_: OpenSession
) -> None:
    error = await failure(open_, host="127.1")
    assert error.stage == "starttls"
    assert "CERTIFICATE_VERIFY_FAILED" in error.detail


def test_tls_is_1_2_at_the_least(tls: ssl.SSLContext) -> None:
    assert tls.minimum_version == ssl.TLSVersion.TLSv1_2
    assert tls.verify_mode == ssl.CERT_REQUIRED
    assert tls.check_hostname


async def test_nobody_listens(open_: OpenSession) -> None:
    error = await failure(open_, port=1)
    assert (error.stage, error.reply) == ("connect", None)
    assert "outbound traffic" in error.fix


async def test_a_name_that_nobody_has(open_: OpenSession) -> None:
    error = await failure(open_, host="nobody.invalid")
    assert error.stage == "connect"


@contextlib.asynccontextmanager
async def peer(greeting: bytes) -> AsyncIterator[int]:
    """Something that is no submission server; yields its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    "greeting",
    [
        b"\x16\x03\x03\x00\x05hello\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"220 " + b"x" * 99_999,
    ],
)
async def test_something_else_listens(open_: OpenSession, greeting: bytes) -> None:
    async with peer(greeting) as port:
        error = await failure(open_, port=port, timeout=2)
        assert error.stage == "connect"


async def test_silence_ends_with_the_timeout(open_: OpenSession) -> None:
    async with peer(b"") as port:
        error = await failure(open_, port=port, timeout=0.2)
        assert error.stage == "connect"
        assert "Timeout" in error.detail


@pytest.mark.parametrize("stage", ["connect", "greeting", "ehlo", "starttls", "auth"])
@pytest.mark.parametrize("action", ["drop", "421"])
async def test_a_server_that_ends_while_one_signs_in(
    office: Office365Server, open_: OpenSession, stage: str, action: str
) -> None:
    office.faults.add([Fault(stage, action)])
    error = await failure(open_)
    if action == "421":
        assert error.reply is not None
        assert error.reply.code == 421
    else:
        assert error.reply is None
        assert error.fix


async def test_a_refused_token_is_told_with_the_reply_and_never_shown(
    open_: OpenSession, sign_ins: SignIns
) -> None:
    token = sign_ins.token()[:-8] + "AAAAAAAA"
    error = await failure(open_, sign_in=SignIn(BILLING, token))
    assert error.stage == "auth"
    assert error.reply is not None
    assert (error.reply.code, error.reply.enhanced) == (535, "5.7.3")
    assert token not in f"{error!s} {error!r} {vars(error)} {error.__cause__!r}"


async def test_a_mailbox_that_is_none(open_: OpenSession, sign_ins: SignIns) -> None:
    error = await failure(open_, sign_in=SignIn("no@contoso.test", sign_ins.token()))
    assert error.reply is not None
    assert error.reply.enhanced == "5.7.3"


async def test_a_password_is_refused_by_office_365_s_own_words(open_: OpenSession) -> None:
    password = "correct horse battery staple"
    error = await failure(open_, sign_in=SignIn(BILLING, password, mechanism="LOGIN"))
    assert error.reply is not None
    assert error.reply.enhanced == "5.7.139"
    assert password not in f"{error!s} {error!r} {vars(error)}"


def test_a_sign_in_does_not_show_its_secret(sign_ins: SignIns) -> None:
    sign_in = SignIn(BILLING, sign_ins.token())
    assert sign_in.secret not in repr(sign_in)
