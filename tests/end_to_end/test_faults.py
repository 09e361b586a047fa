"""What is set up wrong shows: the message waits or fails, and says what to do."""

from datetime import datetime, timedelta

import pytest

from local.stack import LocalStack
from tests.end_to_end.caller import Caller, mail_of, mails_of, message
from tests.end_to_end.faults import FAULTS, OpenBranch, Waiting


@pytest.mark.parametrize("what", FAULTS)
def test_the_message_waits_and_says_what_to_do(waiting: dict[str, Waiting], what: str) -> None:
    view, fault = waiting[what].view, FAULTS[what]
    assert view["status"] == "queued"
    assert view["attempts"] in {0, 1}
    assert view["detail"].startswith(fault.detail)
    assert fault.fix in f"{view['detail']} {view['fix']}"
    assert [event["type"] for event in view["timeline"]] == ["accepted", "deferred"]
    tried = datetime.fromisoformat(view["timeline"][-1]["at"])
    pause = datetime.fromisoformat(view["next_attempt_at"]) - tried
    assert timedelta(seconds=1) <= pause < timedelta(seconds=65)


async def test_a_from_address_without_send_as_fails_and_says_so(
    caller: Caller, stack: LocalStack
) -> None:
    sent = message(**{"from": {"email": "team@contoso.test"}})
    refused = await caller.finished(await caller.send(sent))
    assert refused["status"] == "failed"
    assert refused["mailbox"] == "alerts@contoso.test"
    assert refused["detail"].startswith("554 5.2.252 SendAsDenied")
    assert "Add-RecipientPermission" in refused["fix"]
    assert mails_of(stack, refused["id"]) == []
    await caller.steer("PATCH", "mailboxes/alerts@contoso.test", {"send_as": ["team@contoso.test"]})
    view = await caller.finished(await caller.send(sent))
    assert view["status"] == "sent"
    assert mail_of(stack, view["id"]).sender == "team@contoso.test"


async def test_settings_that_cannot_be_used_are_named(open_branch: OpenBranch) -> None:
    """The app starts all the same: each answer says which settings are wrong, and how."""
    wrong = {"MAILROOM_SENDERS": "billing@contoso.test", "MAILROOM_TENANT_ID": ""}
    async with open_branch(**wrong) as branch:
        for method, path in (("POST", "messages"), ("GET", "health")):
            reply = await branch.request(method, path, data=b"{}" if method == "POST" else None)
            assert reply.status == 500
            assert reply.is_problem
            assert "MAILROOM_SENDERS must be a JSON list" in reply.json["detail"]
            assert "MAILROOM_TENANT_ID is missing" in reply.json["detail"]
            assert "function app's configuration" in reply.json["fix"]
