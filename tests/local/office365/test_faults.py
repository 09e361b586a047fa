"""Faults strike where, when and how they are told to."""

import asyncio
import random
import time

import pytest

from local.certificates import LocalAuthority
from local.office365 import Fault, Office365Server
from local.office365.faults import FaultError, FaultPlan
from tests.local.office365.client import Dial, MakeToken, Wire

MAIL = b"MAIL FROM:<billing@contoso.test>"
RCPT = b"RCPT TO:<ana@example.com>"
BODY = b"Message-ID: <1@contoso.test>\r\n\r\nHello\r\n"
ONE_FLIGHT = b"\r\n".join([MAIL, RCPT, b"BDAT %d LAST" % len(BODY), BODY])

COMMANDS = {"mail": MAIL, "rcpt": RCPT, "data": b"DATA", "rset": b"RSET", "noop": b"NOOP"}


async def go_to(wire: Wire, stage: str) -> bytes:
    """Say what must be said before `stage`; return what provokes it."""
    if stage in ("rcpt", "data", "bdat", "body", "end-of-data", "after-reply"):
        await wire.ask(MAIL)
    if stage in ("data", "bdat", "body", "end-of-data", "after-reply"):
        await wire.ask(RCPT)
    if stage == "bdat":
        return b"BDAT 5\r\nSubje"
    if stage in ("body", "end-of-data", "after-reply"):
        await wire.ask(b"DATA")
        return BODY + b".\r\n"
    return COMMANDS.get(stage, b"QUIT") + b"\r\n"


@pytest.mark.parametrize("stage", [*COMMANDS, "bdat", "end-of-data", "quit"])
async def test_a_given_reply(office: Office365Server, dial: Dial, stage: str) -> None:
    wire = await dial(office)
    provoke = await go_to(wire, stage)
    office.faults.add([Fault(stage, "reply", reply="451 4.4.1 Not now")])

    wire.write(provoke)

    assert await wire.reply() == "451 4.4.1 Not now"
    assert await wire.ask(b"RSET") == "250 2.0.0 Resetting"
    assert office.messages == ()
    assert office.counters.faults == 1


@pytest.mark.parametrize("stage", [*COMMANDS, "bdat", "body", "end-of-data", "quit"])
async def test_a_421_ends_the_session(office: Office365Server, dial: Dial, stage: str) -> None:
    wire = await dial(office)
    provoke = await go_to(wire, stage)
    office.faults.add([Fault(stage, "421")])

    wire.write(provoke)

    assert (await wire.reply()).startswith("421 4.3.2 Service not active")
    assert await wire.at_end()
    assert office.messages == ()


@pytest.mark.parametrize("stage", [*COMMANDS, "bdat", "body", "end-of-data", "quit"])
async def test_a_dropped_connection(office: Office365Server, dial: Dial, stage: str) -> None:
    wire = await dial(office)
    provoke = await go_to(wire, stage)
    office.faults.add([Fault(stage, "drop")])

    wire.write(provoke)

    assert await wire.at_end()
    assert office.messages == ()


@pytest.mark.parametrize("stage", [*COMMANDS, "bdat", "end-of-data"])
async def test_a_connection_dropped_after_the_reply(
    office: Office365Server, dial: Dial, stage: str
) -> None:
    wire = await dial(office)
    provoke = await go_to(wire, stage)
    office.faults.add([Fault(stage, "drop-after-reply")])

    wire.write(provoke)

    assert (await wire.reply())[0] in "23"
    assert await wire.at_end()
    assert len(office.messages) == (stage == "end-of-data")


async def test_accepted_but_never_answered(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    office.faults.add([Fault("end-of-data", "accept-and-drop")])

    wire.write(ONE_FLIGHT)

    assert [one[:3] for one in await wire.replies(2)] == ["250", "250"]
    assert await wire.at_end()
    assert office.messages[0].message_id == "<1@contoso.test>"


async def test_accepted_and_answered_late(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    office.faults.add([Fault("end-of-data", "accept-and-hang", seconds=30)])

    wire.write(ONE_FLIGHT)

    await wire.replies(2)
    await office.wait_for(lambda one: one.message_id == "<1@contoso.test>", 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wire.reply(), 0.05)


async def test_who_gives_up_while_the_server_hangs_has_not_sent(
    office: Office365Server, dial: Dial
) -> None:
    wire = await dial(office)
    office.faults.add([Fault("end-of-data", "hang", seconds=0.1)])

    wire.write(ONE_FLIGHT)
    await wire.replies(2)
    await wire.close()
    await asyncio.sleep(0.2)

    assert office.messages == ()


async def test_a_hanging_server_goes_on(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    office.faults.add([Fault("mail", "hang", seconds=0.1)])

    began = time.perf_counter()
    wire.write(ONE_FLIGHT)

    assert [one[:3] for one in await wire.replies(3)] == ["250", "250", "250"]
    assert time.perf_counter() - began >= 0.1


async def test_a_slow_reply_is_whole(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    office.faults.add([Fault("noop", "slow", seconds=0.1)])

    began = time.perf_counter()
    assert await wire.say(b"NOOP", b"RSET") == ["250 2.0.0 OK", "250 2.0.0 Resetting"]
    assert time.perf_counter() - began >= 0.1


async def test_the_middle_of_the_body(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    office.faults.add([Fault("body", "drop", after_octets=5000)])
    await wire.say(MAIL, RCPT, b"DATA")

    wire.write(b"x" * 4000)
    await asyncio.sleep(0.05)
    assert office._connections
    wire.write(b"x" * 2000)
    assert await wire.at_end()
    assert office.messages == ()


async def test_after_the_reply(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    office.faults.add([Fault("after-reply", "drop")])

    wire.write(ONE_FLIGHT)

    assert (await wire.replies(3))[2].startswith("250 2.0.0 OK")
    assert await wire.at_end()
    assert len(office.messages) == 1


@pytest.mark.parametrize(
    ("stage", "action"), [("connect", "drop"), ("greeting", "421"), ("greeting", "reply")]
)
async def test_before_the_session(
    office: Office365Server, dial: Dial, stage: str, action: str
) -> None:
    office.faults.add([Fault(stage, action, reply="554 5.3.2 Go away")])
    wire = await dial(office, "connect")

    if action == "drop":
        assert await wire.at_end()
    else:
        assert (await wire.reply())[:3] == {"421": "421", "reply": "554"}[action]
    assert (await (await dial(office, "connect")).reply()).startswith("220 ")


async def test_starttls_and_auth(
    office: Office365Server, dial: Dial, authority: LocalAuthority, make_token: MakeToken
) -> None:
    office.faults.add(
        [Fault("starttls", "reply", reply="454 4.7.0 TLS not available"), Fault("auth", "421")]
    )
    wire = await dial(office, "ehlo")

    assert await wire.ask(b"STARTTLS") == "454 4.7.0 TLS not available"
    await wire.secure(authority.client_context())
    await wire.ask(b"EHLO client.test")
    assert (await wire.login(make_token())).startswith("421 ")
    assert await wire.at_end()


async def test_starttls_dropped_after_its_reply(office: Office365Server, dial: Dial) -> None:
    office.faults.add([Fault("starttls", "drop-after-reply")])
    wire = await dial(office, "ehlo")

    assert (await wire.ask(b"STARTTLS")).startswith("220 ")
    assert await wire.at_end()


async def test_occurrences(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)
    office.faults.add([Fault("noop", "reply", reply="450 4.0.0 x", skip=1, times=2)])

    replies = await wire.say(*[b"NOOP"] * 5)

    assert [one[:3] for one in replies] == ["250", "450", "450", "250", "250"]


async def test_mailbox_and_argument(office: Office365Server, dial: Dial) -> None:
    office.faults.add(
        [
            Fault("rcpt", "reply", reply="450 4.2.0 x", argument="ANA@", times=None),
            Fault("noop", "reply", reply="450 4.3.0 x", mailbox="alerts@contoso.test"),
        ]
    )
    wire = await dial(office)
    other = await dial(office, mailbox="alerts@contoso.test")

    replies = await wire.say(MAIL, RCPT, b"RCPT TO:<bob@example.com>", RCPT, b"NOOP")
    assert [one[:3] for one in replies] == ["250", "450", "250", "450", "250"]
    assert await other.ask(b"NOOP") == "450 4.3.0 x"


def test_probability_follows_the_seed() -> None:
    def strikes(seed: int) -> list[bool]:
        plan = FaultPlan(random.Random(seed))
        plan.add([Fault("mail", "421", times=None, probability=0.3)])
        return [plan.take("mail", None) is not None for _ in range(1000)]

    assert strikes(1) == strikes(1) != strikes(2)
    assert 230 < sum(strikes(1)) < 370


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "JSON object"),
        ({"stage": "mail"}, "at least"),
        ({"stage": "mial", "action": "421"}, "unknown stage 'mial'"),
        ({"stage": "mail", "action": "explode"}, "unknown action 'explode'"),
        ({"stage": "mail", "action": "421", "when": 1}, "unknown member 'when'"),
        ({"stage": "mail", "action": "hang", "seconds": "1"}, "'seconds' has the wrong type"),
        ({"stage": "mail", "action": "hang", "seconds": -1}, "not negative"),
        ({"stage": "mail", "action": "reply", "reply": "no"}, "three digits"),
        ({"stage": "mail", "action": "421", "times": 0}, "at least 1"),
        ({"stage": "body", "action": "reply"}, "no reply is due"),
    ],
)
def test_wrong_faults_are_named(value: object, reason: str) -> None:
    with pytest.raises(FaultError, match=reason):
        Fault.from_json(value)
