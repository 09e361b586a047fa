"""What Exchange Online says over IMAP when it is throttling, or a token has run out."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from local.certificates import LocalAuthority
from shared.accounts import AccessToken
from shared.inbox.imap_source import ImapSource
from shared.inbox.reader import ReturnedMailReader
from tests.inbox.exchange import ExchangeImap, Mood
from tests.inbox.world import Reading
from tests.storage.account import StoppedClock

THROTTLED = "BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds"
NOT_CONNECTED = "BAD User is authenticated but not connected."
EXPIRED = "BYE Session invalidated - AccessTokenExpired"


@pytest.fixture
async def exchange(authority: LocalAuthority) -> AsyncIterator[ExchangeImap]:
    server = ExchangeImap()
    await server.start(authority.server_context())
    yield server
    await server.stop()


class Tokens:
    """The first token is `token-1`; a rejected one is replaced by the next."""

    def __init__(self, clock: StoppedClock) -> None:
        self.made = 1
        self.rejected: list[str] = []
        self._clock = clock

    async def sign_in(self, mailbox: str, rejected: AccessToken | None) -> AccessToken:
        if rejected is not None:
            self.rejected.append(rejected.value)
            self.made += 1
        return AccessToken(f"token-{self.made}", self._clock() + timedelta(hours=1))


@pytest.fixture
def tokens(clock: StoppedClock) -> Tokens:
    return Tokens(clock)


@pytest.fixture
def reader(reading: Reading, exchange: ExchangeImap, tokens: Tokens) -> ReturnedMailReader:
    source = ImapSource(
        "localhost", exchange.port, sign_in=tokens.sign_in, size_limit=100_000, writes=False
    )
    return reading.reader(source, MAILROOM_RETURNED_MAIL="imap")


@pytest.mark.parametrize("command", ["AUTHENTICATE", "LIST", "EXAMINE", "SEARCH", "FETCH"])
async def test_a_throttle_reply_is_obeyed(
    exchange: ExchangeImap, reading: Reading, reader: ReturnedMailReader, command: str
) -> None:
    exchange.mails = 3
    exchange.moods = [Mood(command, THROTTLED)]
    [run] = await reader.run()
    assert "throttles" in run.problem
    assert run.pause == timedelta(milliseconds=92415)
    asked = len(exchange.commands)
    reading.clock.advance(seconds=92)
    await reader.run()
    assert len(exchange.commands) == asked
    reading.clock.advance(seconds=1)
    [run] = await reader.run()
    assert (run.problem, reading.intake.numbers) == ("", [1, 2, 3])


async def test_a_mailbox_that_is_not_connected_is_explained_and_tried_again(
    exchange: ExchangeImap, reading: Reading, reader: ReturnedMailReader
) -> None:
    exchange.mails = 1
    exchange.moods = [Mood("LIST", NOT_CONNECTED)]
    [run] = await reader.run()
    assert "FullAccess" in run.problem
    reading.clock.advance(seconds=61)
    await reader.run()
    assert reading.intake.numbers == [1]


@pytest.mark.parametrize("command", ["EXAMINE", "SEARCH", "FETCH"])
async def test_a_token_that_runs_out_in_mid_session_is_replaced(
    exchange: ExchangeImap,
    reading: Reading,
    tokens: Tokens,
    reader: ReturnedMailReader,
    command: str,
) -> None:
    exchange.mails = 25
    exchange.moods = [Mood(command, untagged=EXPIRED, closes=True)]
    [run] = await reader.run()
    assert (run.problem, reading.intake.numbers) == ("", list(range(1, 26)))
    assert tokens.rejected == ["token-1"]
    second = base64.b64decode(exchange.tokens[1]).decode()
    assert second == "user=billing@contoso.test\x01auth=Bearer token-2\x01\x01"


async def test_a_token_that_runs_out_again_and_again_ends_the_run_and_loses_nothing(
    exchange: ExchangeImap, reading: Reading, reader: ReturnedMailReader
) -> None:
    exchange.mails = 25
    exchange.moods = [Mood("FETCH", untagged=EXPIRED, closes=True) for _ in range(2)]
    [run] = await reader.run()
    assert "expired" in run.problem
    await reader.run()
    assert reading.intake.numbers == list(range(1, 26))


async def test_a_sign_in_that_is_refused_is_tried_with_one_other_token(
    exchange: ExchangeImap, tokens: Tokens, reader: ReturnedMailReader
) -> None:
    exchange.moods = [Mood("AUTHENTICATE", "NO AUTHENTICATE failed.") for _ in range(2)]
    [run] = await reader.run()
    assert "IMAP.AccessAsApp" in run.problem
    assert "New-ServicePrincipal" in run.problem
    assert "MAILROOM_RETURNED_MAIL=graph" in run.problem
    assert tokens.rejected == ["token-1"]
    assert len(exchange.tokens) == 2


async def test_a_connection_that_is_cut_is_opened_again_once(
    exchange: ExchangeImap, reading: Reading, tokens: Tokens, reader: ReturnedMailReader
) -> None:
    exchange.mails = 2
    exchange.moods = [Mood("FETCH", closes=True)]
    [run] = await reader.run()
    assert (run.problem, reading.intake.numbers) == ("", [1, 2])
    assert tokens.rejected == []


async def test_nothing_but_peeking_is_asked_for(
    exchange: ExchangeImap, reader: ReturnedMailReader
) -> None:
    """The folder is only examined, and no FETCH marks a mail as read."""
    exchange.mails = 3
    await reader.run()
    said = [command.partition(" ")[0] for command in exchange.commands]
    assert "SELECT" not in said
    bodies = [command for command in exchange.commands if "BODY" in command]
    assert bodies
    assert all("BODY.PEEK[]<0.100001>" in command for command in bodies)


async def test_a_server_that_is_away_is_explained(
    exchange: ExchangeImap, reader: ReturnedMailReader
) -> None:
    await exchange.stop()
    [run] = await reader.run()
    assert "MAILROOM_IMAP_HOST" in run.problem
