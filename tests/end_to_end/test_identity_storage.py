"""Storage as in Azure: over TLS, by the managed identity, with no key in any setting."""

import json
from collections.abc import AsyncIterator

import pytest

from local.stack import LocalStack, StackOptions
from tests.end_to_end.caller import Caller, calling, mail_of, message
from tests.end_to_end.conftest import FAST, LIMITS, Witness


@pytest.fixture(scope="module")
async def keyless(witness: Witness) -> AsyncIterator[Caller]:
    options = StackOptions(limits=LIMITS, settings=FAST, identity_storage=True)
    async with LocalStack(options) as stack, calling(stack) as caller:
        witness.secrets.watch(stack)
        yield caller
        assert await witness.leaks(caller) == set()


def test_no_setting_holds_a_key(keyless: Caller) -> None:
    stack = keyless.stack
    assert stack.azurite.opens(stack.azurite.connection_string)  # it is known when it is seen
    assert [name for name, value in stack.settings.items() if stack.azurite.opens(value)] == []
    assert "AzureWebJobsStorage" not in stack.settings
    assert stack.settings["AzureWebJobsStorage__credential"] == "managedidentity"
    assert stack.azurite.queue_url.startswith("https://")


async def test_messages_of_both_ways_are_sent(keyless: Caller) -> None:
    posted = await keyless.send(message())
    large = await keyless.send(message(text="A line of text.\n" * 8000))  # by way of a blob
    await keyless.drop(json.dumps({**message(), "id": "dropped-1"}))
    for message_id in (posted, large, "dropped-1"):
        view = await keyless.finished(message_id)
        assert view["status"] == "sent", view
        mail_of(keyless.stack, message_id)
    assert keyless.stack.identity.requests["https://storage.azure.com"] > 0


async def test_the_doctor_finds_storage_healthy(keyless: Caller) -> None:
    answer = await keyless.request("GET", "doctor")
    found = [f for f in answer.json["findings"] if f["check"].startswith("storage")]
    assert found
    assert {f["severity"] for f in found} <= {"ok", "note"}, found
