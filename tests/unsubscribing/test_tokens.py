"""Tokens: what comes back is what went in, and nothing else comes back at all."""

import base64
import re
import string

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.unsubscribing import Subscriber, Tokens
from tests.links.keys import FixedKeys

OLD, NEW = "o" * 40, "n" * 40
ANA = Subscriber("ana@example.com", "product-news", "0192f0c1a2b37c4d8e5f60718293a4b5")
CHARACTERS = string.ascii_letters + string.digits + "-_"

subscribers = st.builds(
    Subscriber,
    st.builds("{}@{}".format, st.text(min_size=1, max_size=64), st.just("example.com")),
    st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True),
    st.one_of(
        st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,99}", fullmatch=True),
    ),
)
many = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(subscriber=subscribers)
@many
async def test_a_token_names_its_subscriber_and_does_not_show_the_address(
    subscriber: Subscriber,
) -> None:
    tokens = Tokens(FixedKeys(NEW))
    token = await tokens.make(subscriber)
    assert re.fullmatch(r"1[A-Za-z0-9_-]+", token)
    assert await tokens.read(token) == subscriber
    assert await tokens.make(subscriber) == token
    octets = base64.urlsafe_b64decode(token[1:] + "=" * (-len(token[1:]) % 4))
    assert subscriber.address.encode() not in octets


async def test_tokens_are_short() -> None:
    assert len(await Tokens(FixedKeys(NEW)).make(ANA)) <= 90


@given(subscriber=subscribers)
@many
async def test_tokens_of_a_rotated_key_still_do(subscriber: Subscriber) -> None:
    by_old = await Tokens(FixedKeys(OLD)).make(subscriber)
    rotated = Tokens(FixedKeys(OLD, NEW))
    by_new = await rotated.make(subscriber)
    assert by_new == await Tokens(FixedKeys(NEW)).make(subscriber) != by_old
    assert await rotated.read(by_old) == await rotated.read(by_new) == subscriber
    assert await Tokens(FixedKeys(NEW)).read(by_old) is None
    assert await Tokens(FixedKeys()).read(by_old) is None


@given(place=st.integers(0, 500), character=st.sampled_from(CHARACTERS + "=.~ é\n%"))
@many
async def test_no_changed_token_verifies(place: int, character: str) -> None:
    tokens = Tokens(FixedKeys(OLD, NEW))
    token = await tokens.make(ANA)
    place %= len(token)
    for changed in (
        token[:place] + character + token[place + 1 :],
        token[:place] + character + token[place:],
        token[:place] + token[place + 1 :],
        token[:place],
        token + character,
    ):
        assert changed == token or await tokens.read(changed) is None


@given(text=st.one_of(st.text(max_size=1200), st.text(CHARACTERS, min_size=40, max_size=1000)))
@many
async def test_no_random_token_verifies(text: str) -> None:
    tokens = Tokens(FixedKeys(OLD, NEW))
    assert await tokens.read(text) is None
    assert await tokens.read(f"1{text}") is None


async def test_a_signature_for_something_else_is_no_token() -> None:
    keys = FixedKeys(NEW)
    sealed = await keys.seal("mailroom.something-else", b"\x00" * 40)
    assert sealed is not None
    token = "1" + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
    assert await Tokens(keys).read(token) is None


async def test_without_a_key_there_is_no_token() -> None:
    assert await Tokens(FixedKeys()).make(ANA) == ""
