"""The protocol on the wire: PIPELINING, CHUNKING, STARTTLS, the data phase, errors, latency."""

import asyncio
import base64
import ssl
import time

import pytest

from local.certificates import LocalAuthority
from local.office365 import Limits, Office365Server
from tests.local.office365.client import Dial, MakeToken, Serve

MAIL = b"MAIL FROM:<billing@contoso.test>"
RCPT = b"RCPT TO:<ana@example.com>"
UNKNOWN = b"RCPT TO:<unknown@example.com>"
BODY = b"Message-ID: <1@contoso.test>\r\n\r\nHello\r\n"


def codes(replies: list[str]) -> list[str]:
    return [reply[:3] for reply in replies]


async def test_greeting_and_extensions(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office, "connect")

    assert " Microsoft ESMTP MAIL Service ready at " in await wire.reply()
    lines = (await wire.ask(b"EHLO client.test")).split("\n")
    assert lines[0].endswith(" Hello [127.0.0.1]")
    assert [line[4:] for line in lines[1:]] == [
        "SIZE 157286400",
        "PIPELINING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        "STARTTLS",
        "8BITMIME",
        "BINARYMIME",
        "CHUNKING",
        "SMTPUTF8",
    ]
    assert (await wire.ask(b"HELO client.test")).count("\n") == 0


async def test_pipelined_commands_are_answered_in_one_flight(
    office: Office365Server, dial: Dial
) -> None:
    wire = await dial(office)
    before = office.counters.flights

    replies = await wire.say(MAIL, RCPT, UNKNOWN, b"RCPT TO:<bob@example.com>", b"DATA")
    assert codes(replies) == ["250", "250", "550", "250", "354"]
    assert office.counters.flights == before + 1
    replies = await wire.say(BODY + b".", MAIL, RCPT, b"RSET", b"NOOP")
    assert codes(replies) == ["250", "250", "250", "250", "250"]
    assert office.counters.flights == before + 2
    assert office.messages[0].pipelining
    assert office.messages[0].addresses == ("ana@example.com", "bob@example.com")
    assert office.messages[0].content == BODY


async def test_all_recipients_refused_means_no_data(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)

    assert codes(await wire.say(MAIL, UNKNOWN, b"DATA")) == ["250", "550", "503"]
    assert codes(await wire.say(b"RSET", MAIL, RCPT, b"DATA")) == ["250", "250", "250", "354"]
    assert (await wire.ask(BODY + b".")).startswith("250 2.0.0 OK <1@contoso.test>")


async def test_one_flight_a_message(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    before = office.counters.flights

    wire.write(b"\r\n".join([MAIL, RCPT, b"BDAT %d LAST" % len(BODY), BODY]))
    replies = await wire.replies(3)

    assert replies[2].startswith("250 2.0.0 OK <1@contoso.test> [Hostname=")
    assert office.counters.flights == before + 1
    assert office.messages[0].content == BODY
    assert office.messages[0].chunking
    assert office.messages[0].pipelining


async def test_chunks(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    body = b"Subject: x\r\n\r\n.\r\n..\r\n\0 binary \r and \n\r\n.\r\n"
    await wire.say(b"MAIL FROM:<billing@contoso.test> BODY=BINARYMIME", RCPT)

    wire.write(b"BDAT 20\r\n" + body[:20])
    assert await wire.reply() == "250 2.6.0 20 octets received"
    wire.write(b"BDAT %d\r\n" % len(body[20:]) + body[20:] + b"BDAT 0 LAST\r\n")
    assert codes(await wire.replies(2)) == ["250", "250"]
    assert office.messages[0].content == body
    assert office.messages[0].has_bare_newlines


@pytest.mark.parametrize("step", [1, 2, 3, 5, 17, 100])
async def test_the_segments_of_a_stream_do_not_matter(
    office: Office365Server, dial: Dial, step: int
) -> None:
    wire = await dial(office)
    dotted = b"Message-ID: <2@x>\r\n\r\n..\r\n.\n.\r\n..a\r\n"
    stream = (
        b"\r\n".join([MAIL, RCPT, UNKNOWN, b"BDAT 10", BODY[:10]])
        + b"BDAT %d LAST\r\n%b" % (len(BODY) - 10, BODY[10:])
        + b"\r\n".join([MAIL, RCPT, b"DATA", dotted + b".", b"NOOP", b"QUIT", b""])
    )

    for start in range(0, len(stream), step):
        wire.write(stream[start : start + step])
        await asyncio.sleep(0)

    expected = ["250", "250", "550", "250", "250", "250", "250", "354", "250", "250", "221"]
    assert codes(await wire.replies(11)) == expected
    assert [one.content for one in office.messages] == [
        BODY,
        b"Message-ID: <2@x>\r\n\r\n.\r\n\n.\r\n.a\r\n",
    ]


async def test_chunks_without_a_recipient_are_consumed(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    smuggled = b"RSET\r\nQUIT\r\n"

    wire.write(b"\r\n".join([MAIL, UNKNOWN, b"BDAT %d LAST" % len(smuggled), smuggled]))
    assert codes(await wire.replies(3)) == ["250", "550", "503"]
    assert codes(await wire.say(b"RSET", b"NOOP")) == ["250", "250"]
    wire.write(b"BDAT %d LAST\r\n" % len(smuggled) + smuggled)
    assert (await wire.reply()).startswith("503 5.5.2 Need mail command")
    assert await wire.ask(b"NOOP") == "250 2.0.0 OK"
    assert office.messages == ()


async def test_bdat_and_data_do_not_mix(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    await wire.say(b"MAIL FROM:<billing@contoso.test> BODY=BINARYMIME", RCPT)
    assert (await wire.ask(b"DATA")).startswith("503 5.5.1")
    wire.write(b"BDAT 3\r\nabc")
    assert (await wire.reply()).startswith("250 ")
    assert codes(await wire.say(b"DATA", RCPT)) == ["503", "503"]
    assert await wire.ask(b"RSET") == "250 2.0.0 Resetting"
    assert codes(await wire.say(MAIL, RCPT, b"DATA")) == ["250", "250", "354"]


async def test_a_chunk_of_unknown_size_ends_the_session(
    office: Office365Server, dial: Dial
) -> None:
    wire = await dial(office)
    await wire.say(MAIL, RCPT)

    assert (await wire.ask(b"BDAT many LAST")).startswith("501 5.5.4 Invalid chunk size")
    assert await wire.at_end()


async def test_plaintext_behind_starttls_is_never_obeyed(
    office: Office365Server, dial: Dial
) -> None:
    wire = await dial(office, "ehlo")

    wire.write(b"STARTTLS\r\nEHLO injected.test\r\nMAIL FROM:<eve@example.com>\r\n")

    assert (await wire.reply()).startswith("503 5.5.1 STARTTLS must be the last command")
    assert await wire.at_end()
    assert office.counters.tls_handshakes == 0


async def test_tls_forgets_what_was_said_before(
    office: Office365Server, dial: Dial, authority: LocalAuthority
) -> None:
    wire = await dial(office, "ehlo")
    await wire.secure(authority.client_context())

    assert codes(await wire.say(MAIL)) == ["503"]
    assert (await wire.ask(b"EHLO again.test")).startswith("250-")
    assert codes(await wire.say(b"STARTTLS")) == ["503"]
    assert (await wire.ask(MAIL)).startswith("530 5.7.57 Client not authenticated")


async def test_auth_needs_tls(office: Office365Server, dial: Dial, make_token: MakeToken) -> None:
    wire = await dial(office, "ehlo")

    assert (await wire.login(make_token())).startswith("504 5.7.4")
    assert (await wire.ask(MAIL)).startswith("530 5.7.57")


async def test_auth_without_initial_response(
    office: Office365Server, dial: Dial, make_token: MakeToken
) -> None:
    wire = await dial(office, "tls")
    response = base64.b64encode(
        f"user=billing@contoso.test\x01auth=Bearer {make_token()}\x01\x01".encode()
    )

    assert await wire.ask(b"AUTH XOAUTH2") == "334 "
    assert (await wire.ask(b"*")).startswith("501 ")
    assert await wire.ask(b"auth xoauth2") == "334 "
    assert (await wire.ask(response)).startswith("235 2.7.0")
    assert (await wire.ask(b"AUTH XOAUTH2")).startswith("503 ")


@pytest.mark.parametrize(
    "response",
    [b"not base64!", b"=", base64.b64encode(b"user=a"), base64.b64encode(b"\xff\x01\x01\x01")],
)
async def test_malformed_responses_are_refused(
    office: Office365Server, dial: Dial, response: bytes
) -> None:
    wire = await dial(office, "tls")

    assert (await wire.ask(b"AUTH XOAUTH2 " + response)).startswith("535 5.7.3")


async def test_too_many_failed_logins_end_the_session(serve: Serve, dial: Dial) -> None:
    server = await serve(limits=Limits(login_failures=2))
    wire = await dial(server, "tls")

    for _ in range(2):
        assert (await wire.login("rubbish")).startswith("535 ")
    assert (await wire.login("rubbish")).startswith("421 4.7.0")
    assert await wire.at_end()


@pytest.mark.parametrize(
    "ending",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r\n.\r",
        b"\r.\r\n",
        b"\0\r\n.\n",
        b"\r\n\0.\r\n",
    ],
)
async def test_only_crlf_dot_crlf_ends_the_data(
    office: Office365Server, dial: Dial, ending: bytes
) -> None:
    wire = await dial(office)
    smuggled = ending + b"MAIL FROM:<eve@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n"
    await wire.say(MAIL, RCPT, b"DATA")

    wire.write(BODY + smuggled + b"\r\n.\r\n")

    assert (await wire.reply()).startswith("250 2.0.0 OK")
    assert await wire.ask(b"NOOP") == "250 2.0.0 OK"
    assert len(office.messages) == 1
    stuffed = b"\r\n." in ending  # a dot at a line's beginning is taken off, as for any line
    assert (
        office.messages[0].content
        == BODY + (smuggled.replace(b"\r\n.", b"\r\n", 1) if stuffed else smuggled) + b"\r\n"
    )


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"HALLO", "500 5.3.3"),
        (b"", "500 5.3.3"),
        (b"NOOP\r", "500 5.5.2"),
        (b"NO\0OP", "500 5.5.2"),
        (b"NOOP " + b"x" * 3000, "500 5.5.2 Command line too long"),
        (b"RCPT TO:<ana@example.com>", "503 5.5.2 Need mail command"),
        (b"DATA", "503 5.5.2 Need mail command"),
        (b"DATA now", "501 5.5.4"),
        (b"RSET now", "501 5.5.4"),
        (b"MAIL billing@contoso.test", "501 5.5.4"),
        (b"MAIL TO:<billing@contoso.test>", "501 5.5.4"),
        (b"MAIL FROM:billing@contoso.test", "501 5.5.4"),
        (b"MAIL FROM:<billing@>", "501 5.1.7"),
        (b"MAIL FROM:<bil ling@contoso.test>", "501 5.5.4"),
        (b"MAIL FROM:<b..c@contoso.test>", "501 5.1.7"),
        (b"MAIL FROM:<" + b"b" * 65 + b"@contoso.test>", "501 5.1.7"),
        ("MAIL FROM:<grüße@contoso.test>".encode(), "553 5.6.7"),
        (MAIL + b" BODY=9BIT", "501 5.5.4"),
        (MAIL + b" SIZE=big", "501 5.5.4"),
        (MAIL + b" SIZE=1 SIZE=2", "501 5.5.4"),
        (MAIL + b" RET=SOME", "501 5.5.4"),
        (MAIL + b" ENVID=a+b", "501 5.5.4"),
        (MAIL + b" ENVID=" + b"a" * 101, "501 5.5.4"),
        (MAIL + b" SMTPUTF8=yes", "501 5.5.4"),
        (MAIL + b" COLOUR=red", "555 5.5.4 Unsupported option: COLOUR"),
        (MAIL + b" SIZE=157286401", "552 5.3.4"),
        (MAIL + b" SIZE=36700161", "552 5.3.4"),
        (MAIL + b" SIZE=36700160", "250 2.1.0"),
        (b"mail from: <billing@contoso.test> body=8bitmime", "250 2.1.0"),
        (b"MAIL FROM:<>", "250 2.1.0"),
        ("MAIL FROM:<grüße@contoso.test> SMTPUTF8".encode(), "250 2.1.0"),
        (b'MAIL FROM:<"a > b"@contoso.test>', "250 2.1.0"),
        (b"VRFY ana", "252 2.1.5"),
        (b"HELP", "214-"),
        (b"EXPN list", "500 5.3.3"),
        (b"EHLO", "501 5.5.4"),
        (b"AUTH PLAIN abc", "503 "),
    ],
)
async def test_single_commands(
    office: Office365Server, dial: Dial, line: bytes, reply: str
) -> None:
    wire = await dial(office)

    assert (await wire.ask(line)).startswith(reply)
    assert await wire.ask(b"NOOP") == "250 2.0.0 OK"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"RCPT TO:<>", "501 5.1.3"),
        (b"RCPT TO:<ana>", "501 5.1.3"),
        (b"RCPT TO:<@relay.test:ana@example.com>", "250 2.1.5"),
        (b"RCPT TO:<ana@[192.0.2.1]>", "250 2.1.5"),
        ("RCPT TO:<änne@example.com>".encode(), "553 5.6.7"),
        (RCPT + b" NOTIFY=NEVER", "250 2.1.5"),
        (RCPT + b" NOTIFY=SUCCESS,NEVER", "501 5.5.4"),
        (RCPT + b" NOTIFY=", "501 5.5.4"),
        (RCPT + b" ORCPT=rfc822;a+40b", "250 2.1.5"),
        (RCPT + b" ORCPT=ana@example.com", "501 5.5.4"),
        (RCPT + b" SIZE=1", "555 5.5.4"),
        (b"RCPT TO:<NOBODY.at.all@example.com>", "550 5.1.10"),
        (b"RCPT TO:<mistyped@example.com>", "550 5.4.1"),
        (b"RCPT TO:<blocked@example.com>", "550 5.7.1"),
        (b"RCPT TO:<full@example.com>", "452 4.2.2"),
        (b"RCPT TO:<busy@example.com>", "432 4.3.2 STOREDRV.Deliver"),
        (b"RCPT TO:<busybody@example.com>", "250 2.1.5"),
        (MAIL, "503 5.5.2 Sender already specified"),
    ],
)
async def test_single_recipients(
    office: Office365Server, dial: Dial, line: bytes, reply: str
) -> None:
    wire = await dial(office)
    await wire.ask(MAIL)

    assert (await wire.ask(line)).startswith(reply)


@pytest.mark.parametrize(("name", "code"), [("later", "451 4.7.0"), ("refused", "554 5.7.1")])
async def test_recipients_that_refuse_at_the_end(
    office: Office365Server, dial: Dial, name: str, code: str
) -> None:
    wire = await dial(office)
    await wire.say(MAIL, RCPT, f"RCPT TO:<{name}@example.com>".encode(), b"DATA")

    assert (await wire.ask(BODY + b".")).startswith(code)
    assert office.messages == ()


async def test_a_bare_newline_ends_no_command(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)

    wire.write(b"NOOP\nNOOP\r\n")
    assert codes(await wire.replies(2)) == ["500", "250"]


async def test_an_endless_line_ends_the_session(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office, "ehlo")

    wire.write(b"x" * 20_000)
    assert (await wire.reply()).startswith("500 5.5.2")
    assert await wire.at_end()


async def test_too_many_errors_end_the_session(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office, "ehlo")

    replies = await wire.say(*[b"WHAT"] * 6)
    assert codes(replies) == ["500"] * 5 + ["421"]
    assert await wire.at_end()


async def test_quit(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)

    assert (await wire.ask(b"QUIT")).startswith("221 2.0.0")
    assert await wire.at_end()


async def test_long_lines_are_kept_and_reported(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    await wire.say(MAIL, RCPT, b"DATA")

    await wire.ask(b"Subject: x\r\n\r\n" + b"x" * 1500 + b"\r\n.")
    assert office.messages[0].longest_line == 1500


async def test_latency_is_one_for_a_flight_and_limits_no_throughput(
    serve: Serve, dial: Dial
) -> None:
    rtt = 0.3
    server = await serve(rtt=rtt, limits=Limits.unlimited())
    began = time.perf_counter()
    wire = await dial(server)
    # connection + greeting, EHLO, STARTTLS, TLS, EHLO, AUTH
    assert 7 * rtt <= time.perf_counter() - began < 14 * rtt

    one = b"\r\n".join([MAIL, RCPT, b"BDAT %d LAST" % len(BODY), BODY])
    began = time.perf_counter()
    for _ in range(10):  # ten messages under way at once
        wire.write(one)
        await asyncio.sleep(0.001)
    assert set(codes(await wire.replies(30))) == {"250"}
    assert rtt <= time.perf_counter() - began < 8 * rtt

    began = time.perf_counter()
    for command in (MAIL, RCPT, b"RSET"):
        await wire.ask(command)
    assert 3 * rtt <= time.perf_counter() - began < 8 * rtt


async def test_a_client_that_does_not_read_is_not_obeyed_for_ever(
    office: Office365Server, dial: Dial
) -> None:
    wire = await dial(office)
    wire.hold_reading()
    for _ in range(60):
        wire.write(b"HELP\r\n" * 1000)
        await asyncio.sleep(0)
    await asyncio.sleep(0.2)
    assert all(
        connection._transport.get_write_buffer_size() < 1_000_000
        for connection in office._connections
    )
    wire.go_on_reading()
    replies = await wire.replies(60_000)
    assert len(replies) == 60_000


async def test_an_idle_session_times_out(serve: Serve, dial: Dial) -> None:
    server = await serve(limits=Limits(idle_seconds=0.05))
    wire = await dial(server)

    assert (await wire.reply()).startswith("421 4.4.1 Connection timed out")
    assert await wire.at_end()


async def test_stop_leaves_nothing(serve: Serve, dial: Dial) -> None:
    server = await serve()
    await dial(server)
    await dial(server, "connect")
    held = await dial(server)
    await held.say(MAIL, RCPT, b"DATA")

    await server.stop()
    await server.stop()

    assert await held.at_end()
    assert not server._connections
    with pytest.raises(OSError, match=r".*"):
        await asyncio.open_connection("127.0.0.1", server.smtp_port)
    assert [task for task in asyncio.all_tasks() if "Connection" in repr(task)] == []
    await server.start()
    assert await dial(server)


async def test_a_failed_handshake_is_forgotten(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office, "ehlo")
    context = ssl.create_default_context(cafile=None)
    context.load_default_certs()
    bad = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await wire.secure(bad)
    await asyncio.sleep(0.05)
    assert not office._connections
