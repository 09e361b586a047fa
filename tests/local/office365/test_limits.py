"""Office 365's sending limits, on a clock that the test moves."""

import asyncio
from collections.abc import Callable

import pytest

from local.office365 import Limits, Mailbox, Office365Server, Tenant
from tests.local.office365.client import ALERTS, BILLING, Clock, Dial, MakeToken, Serve, Wire

DAY = 86_400.0


async def send(wire: Wire, *recipients: str, size: int = 0, sender: str = BILLING) -> str:
    lines = [f"RCPT TO:<{one}>".encode() for one in recipients or ("ana@example.com",)]
    body = b"Subject: x\r\n\r\n" + b"x" * size
    wire.write(
        b"\r\n".join([f"MAIL FROM:<{sender}>".encode(), *lines, b"BDAT %d LAST" % len(body), body])
    )
    return (await wire.replies(len(lines) + 2))[-1]


def test_the_defaults_are_office_365s() -> None:
    limits = Limits()
    assert limits.messages_per_minute == 30
    assert limits.concurrent_connections == 3
    assert limits.recipients_per_day == 10_000
    assert limits.recipients_per_message == 500
    assert limits.message_bytes == 35 * 1024 * 1024
    assert limits.onmicrosoft_recipients_per_day == 100
    assert Limits.of_licences(1).tenant_external_recipients_per_day == 10_000
    assert Limits.of_licences(100).tenant_external_recipients_per_day == 22_059


async def test_over_thirty_a_minute_the_reply_waits(serve: Serve, dial: Dial, clock: Clock) -> None:
    server = await serve(clock=clock, sleep=clock.sleep)
    wire = await dial(server)
    for _ in range(30):
        assert (await send(wire)).startswith("250 ")
        clock.advance(1)  # the first slot comes again at 60 s; it is 30 s now
    assert server.counters.delayed == 0

    late = asyncio.create_task(send(wire))
    await until(lambda: clock.sleepers == 1)
    assert server.messages[-1].delay == pytest.approx(30)
    assert server.counters.over_limit == {"messages_per_minute": 1}
    other = await dial(server, mailbox=ALERTS)
    assert (await send(other, sender=ALERTS)).startswith("250 ")  # limits are per mailbox
    clock.advance(29.9)
    await asyncio.sleep(0.02)
    assert not late.done()
    clock.advance(0.2)
    assert (await late).startswith("250 ")
    clock.advance(0.9)
    assert (await send(wire)).startswith("250 ")  # the second slot has come in time
    assert server.counters.delayed == 1


async def test_commands_behind_a_delayed_message_wait_their_turn(
    serve: Serve, dial: Dial, clock: Clock
) -> None:
    server = await serve(clock=clock, sleep=clock.sleep, limits=Limits(messages_per_minute=1))
    wire = await dial(server)
    await send(wire)

    body = b"Subject: x\r\n\r\n"
    wire.write(
        b"MAIL FROM:<billing@contoso.test>\r\nRCPT TO:<ana@example.com>\r\n"
        b"BDAT %d LAST\r\n%bNOOP\r\n" % (len(body), body)
    )
    assert [one[:3] for one in await wire.replies(2)] == ["250", "250"]
    waiting = asyncio.create_task(wire.replies(2))
    await until(lambda: clock.sleepers == 1)
    assert not waiting.done()
    clock.advance(60)
    assert [one[:9] for one in await waiting] == ["250 2.0.0", "250 2.0.0"]


async def test_the_fourth_connection_is_refused_at_the_end_of_data(
    serve: Serve, dial: Dial
) -> None:
    server = await serve()
    wires = [await dial(server) for _ in range(4)]

    replies = [await send(wire) for wire in wires]
    assert [one[:3] for one in replies] == ["250", "250", "250", "432"]
    assert replies[3].startswith("432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded")
    assert (await send(await dial(server, mailbox=ALERTS), sender=ALERTS)).startswith("250 ")
    await wires[0].ask(b"QUIT")
    assert await wires[0].at_end()
    await until(lambda: server.exchange.sessions()[BILLING] == 3)
    assert (await send(wires[3])).startswith("250 ")
    assert server.counters.concurrent_max == {BILLING: 4, ALERTS: 1}
    assert server.counters.over_limit == {"concurrent_connections": 1}


async def test_recipients_of_a_day(serve: Serve, dial: Dial, clock: Clock) -> None:
    limits = Limits(recipients_per_day=5, messages_per_minute=None)
    server = await serve(clock=clock, limits=limits)
    wire = await dial(server)

    assert (await send(wire, "a@x.test", "b@x.test", "c@x.test")).startswith("250 ")
    clock.advance(DAY / 2)
    assert (await send(wire, "d@x.test", "e@x.test", "f@x.test")).startswith(
        "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException"
    )
    assert (await send(wire, "d@x.test", "e@x.test")).startswith("250 ")
    clock.advance(DAY / 2)  # the first three are 24 hours old
    assert (await send(wire, "f@x.test", "g@x.test", "h@x.test")).startswith("250 ")
    assert (await send(wire, "i@x.test")).startswith("554 5.2.0")
    assert server.counters.recipients == 8


async def test_external_recipients_of_the_tenant(serve: Serve, dial: Dial, clock: Clock) -> None:
    server = await serve(clock=clock, limits=Limits(tenant_external_recipients_per_day=3))
    billing, alerts = await dial(server), await dial(server, mailbox=ALERTS)

    assert (await send(billing, "a@x.test", "b@x.test", "c@contoso.test")).startswith("250 ")
    refused = await send(alerts, "d@x.test", "e@x.test", sender=ALERTS)
    assert refused.startswith("550 5.7.233 ")
    assert (await send(alerts, "d@contoso.test", sender=ALERTS)).startswith("250 ")
    assert (await send(alerts, "d@x.test", sender=ALERTS)).startswith("250 ")
    assert server.counters.over_limit == {"tenant_external_recipients_per_day": 1}
    clock.advance(DAY)
    assert (await send(alerts, "d@x.test", "e@x.test", sender=ALERTS)).startswith("250 ")


async def test_onmicrosoft_senders(serve: Serve, dial: Dial) -> None:
    address = "info@contoso.onmicrosoft.com"
    server = await serve(
        mailboxes=[Mailbox(address)],
        limits=Limits(onmicrosoft_recipients_per_day=2),
        tenant=Tenant(accepted_domains=("contoso.test", "contoso.onmicrosoft.com")),
    )
    wire = await dial(server, mailbox=address)

    assert (await send(wire, "a@x.test", "b@x.test", sender=address)).startswith("250 ")
    assert (await send(wire, "c@x.test", sender=address)).startswith("550 5.7.236 ")
    assert (await send(wire, "c@contoso.test", sender=address)).startswith("250 ")


async def test_recipients_of_a_message(serve: Serve, dial: Dial) -> None:
    server = await serve()
    wire = await dial(server)

    replies = await wire.say(
        b"MAIL FROM:<billing@contoso.test>",
        *[f"RCPT TO:<u{number}@example.com>".encode() for number in range(501)],
    )
    assert {one[:9] for one in replies[1:501]} == {"250 2.1.5"}
    assert replies[501] == "452 4.5.3 Too many recipients"


async def test_the_size_is_checked_again_at_the_data(serve: Serve, dial: Dial) -> None:
    server = await serve(limits=Limits(message_bytes=1000))
    wire = await dial(server)

    assert (await send(wire, size=2000)).startswith("552 5.3.4")
    await wire.say(b"MAIL FROM:<billing@contoso.test> SIZE=10", b"RCPT TO:<a@x.test>", b"DATA")
    assert (await wire.ask(b"x" * 2000 + b"\r\n.")).startswith("552 5.3.4")
    await wire.say(b"MAIL FROM:<billing@contoso.test>", b"RCPT TO:<a@x.test>")
    wire.write(b"BDAT 900\r\n" + b"x" * 900 + b"BDAT 900\r\n" + b"x" * 900)
    assert [one[:3] for one in await wire.replies(2)] == ["250", "552"]
    wire.write(b"BDAT 0 LAST\r\n")
    assert (await wire.reply()).startswith("552 5.3.4")
    assert (await send(wire, size=900)).startswith("250 ")
    assert len(server.messages) == 1


async def test_a_session_ends_with_its_token(
    serve: Serve, dial: Dial, clock: Clock, make_token: MakeToken
) -> None:
    server = await serve(clock=clock)
    wire = await dial(server, "tls")
    await wire.login(make_token(exp=clock().timestamp() + 3600))

    assert (await send(wire)).startswith("250 ")
    clock.advance(3601)
    assert (await wire.ask(b"MAIL FROM:<billing@contoso.test>")).startswith("421 4.7.0")
    assert await wire.at_end()


async def test_limits_change_while_it_runs(serve: Serve, dial: Dial) -> None:
    server: Office365Server = await serve(limits=Limits(recipients_per_day=0))
    wire = await dial(server)

    assert (await send(wire)).startswith("554 5.2.0")
    server.limits = Limits.unlimited()
    assert (await send(wire)).startswith("250 ")
    for _ in range(40):
        assert (await send(wire)).startswith("250 ")
    assert server.counters.delayed == 0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)
