"""After everything else: no secret and no token stands in anything that the app wrote or said.

Every other stack was searched in the same way before it ended.
"""

import base64
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from local.contoso import APP_CLIENT_ID, LOGIN_CLIENT_ID
from local.entra import SigningKeys
from local.stack import LocalStack
from tests.end_to_end.caller import BILLING, Caller, mail_of, message
from tests.end_to_end.conftest import Witness
from tests.end_to_end.leaks import Secrets, places
from tests.end_to_end.test_credentials import make_certificate

type Disguise = Callable[[str], str]

EXCHANGE = "https://outlook.office365.com"


@pytest.fixture(scope="module")
async def searched(caller: Caller) -> list[str]:
    """The places that are searched; at least one message has gone the whole way."""
    view = await caller.finished(await caller.send(message()))
    assert view["status"] == "sent"
    return [place async for place, _ in places(caller.stack)]


async def test_nothing_has_leaked(caller: Caller, witness: Witness, searched: list[str]) -> None:
    assert await witness.leaks(caller) == set()


def test_every_kind_of_place_was_searched(searched: list[str]) -> None:
    assert {place.partition(" ")[0] for place in searched} >= {"log", "mail", "table", "blob"}
    tables = {place.split()[1] for place in searched if place.startswith("table ")}
    assert tables >= {"messages,", "timeline,"}


# The positive control: whatever is hidden, in whatever form and place, is found.

DISGUISES: dict[str, Disguise] = {
    "as it is": str,
    "in a URL": lambda value: f"https://localhost/?token={quote(value, safe='')}&a=b",
    "in base64": lambda value: base64.b64encode(value.encode()).decode(),
    "in base64, one octet later": lambda value: base64.b64encode(f"x{value}y".encode()).decode(),
    "in base64, two octets later": lambda value: base64.b64encode(f"xx{value}".encode()).decode(),
    "in JSON": lambda value: json.dumps({"error": f"bad: {value}"}),
    "in a repr": repr,
}


@pytest.fixture(scope="module")
def hidden(stack: LocalStack, witness: Witness) -> dict[str, str]:
    """A value of each kind, as the stack's parts hold or make them."""
    entra = stack.entra
    app, user = entra.directory.app(APP_CLIENT_ID), entra.directory.find_user(BILLING)
    assert user is not None
    now, scopes = datetime.now(UTC), frozenset({"SMTP.Send"})
    _, private_key = make_certificate()
    stack.vault.store.set("planted-certificate", private_key)
    witness.secrets.learn(stack)
    token = entra.tokens.issue_to_app(app, EXCHANGE, [], authentication="1").value
    connection = stack.azurite.connection_string
    return {
        "a client secret": app.secrets[0].value,
        "a token": token,
        "a token's signature": token.rpartition(".")[2],
        "a token of an unknown issuer": SigningKeys().sign({"aud": EXCHANGE, "sub": "somebody"}),
        "an XOAUTH2 response": f"user={BILLING}\x01auth=Bearer {token}\x01\x01",
        "a refresh token": entra.grants.refresh_tokens.issue(LOGIN_CLIENT_ID, user, scopes, now),
        "a line of a private key": private_key.splitlines()[7],
        "the identity header": stack.identity.header,
        "a function key": stack.host.function_key,
        "the master key": stack.host.master_key,
        "the storage account's key": connection.partition("AccountKey=")[2].partition(";")[0],
    }


def test_each_kind_is_found_in_each_disguise(witness: Witness, hidden: dict[str, str]) -> None:
    missed = [
        (kind, disguise)
        for kind, value in hidden.items()
        for disguise, apply in DISGUISES.items()
        # These are known by a pattern alone, which reads no base64.
        if not (kind == "a token of an unknown issuer" and "base64" in disguise)
        if not witness.secrets.find("here", f"before {apply(value)} after".encode())
    ]
    assert missed == []


def test_what_is_no_secret_is_not_found(witness: Witness, stack: LocalStack) -> None:
    certificate, _ = make_certificate()
    for harmless in ("", "before and after", certificate, str(stack.entra.jwks()), APP_CLIENT_ID):
        assert witness.secrets.find("here", harmless.encode()) == set()
    assert Secrets().find("here", stack.host.function_key.encode()) == set()
    assert Secrets().find("here", b"-----BEGIN RSA PRIVATE KEY-----") != set()


async def test_a_token_is_found_in_each_place(
    caller: Caller, witness: Witness, hidden: dict[str, str]
) -> None:
    """The app itself takes it there: a caller's message holds it, and the file that goes along."""
    token = hidden["a token"]
    file = {"name": "token.txt", "content": base64.b64encode(token.encode()).decode()}
    sent = [
        message(text=f"{token}\n"),
        message(attachments=[file]),
        message(tags={"t": token[:150]}),
    ]
    ids = [await caller.send(one) for one in sent]
    decision = {"by": "a test", "why": "It looks for what must not be there."}
    for message_id in ids:  # the guard holds a token that somebody mails
        view = await caller.view(message_id)
        if view is not None and view["status"] == "held":
            await caller.request("POST", f"held/{message_id}/release", json=decision)
        await caller.finished(message_id)
    await caller.drop(json.dumps({"text": token}))
    [poison] = await caller.poisoned(1)
    await caller.drop(poison, "bounce-events-poison")  # a queue that nobody takes from
    with caller.stack.log_path.open("a") as log:
        log.write(f"Authorization: Bearer {token}\n")
    logging.getLogger("shared.planted").info("a token: %s", token)
    caller.answers.append(token)
    try:
        found = {leak.place for leak in await witness.leaks(caller)}
        numbers = [mail_of(caller.stack, message_id).number for message_id in ids[:2]]
    finally:
        witness.records.lines = [line for line in witness.records.lines if token not in line]
        await caller.steer("DELETE", "api/messages")
    assert found >= {"log", "this process's log", "answers", *(f"mail {n}" for n in numbers)}
    assert f"table messages, message-{ids[0]}, content0" in found
    assert f"table messages, message-{ids[2]}, tags0" in found
    assert any(place.startswith(f"blob mail-content/{ids[1]}/") for place in found)
    assert any(place.startswith("queue ") for place in found)
