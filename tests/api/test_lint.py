"""`POST /api/lint`: a message or a draft, answered with findings and what would become of it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.api.answers import Answer
from shared.api.lint import LintApi, LintView
from shared.errors import FieldProblem, InvalidMessageError
from shared.lint import load_rules
from shared.lint.linter import Linter
from shared.messages.model import Message
from shared.messages.parsing import message_json
from tests.lint.mails import RECEIPT_HTML, RECEIPT_TEXT, good_newsletter, good_receipt, make_message
from tests.storage.account import make_settings

HEADERS = {"content-type": "application/json"}


class NoTemplates:
    """An app in which no template is published."""

    async def render(self, message: Message) -> tuple[Message, str]:
        if message.template is not None:
            raise InvalidMessageError([FieldProblem("/template", "There is none.", "Publish it.")])
        return message, ""


def api(**settings: str) -> LintApi:
    linter = Linter(
        make_settings("UseDevelopmentStorage=true", **settings),
        clock=lambda: datetime(2026, 11, 27, tzinfo=UTC),
    )
    return LintApi(linter, preparation=NoTemplates(), body_limit=1_000_000)


async def post(body: Any, *, on: LintApi | None = None) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await (on or api()).post(raw, HEADERS)


async def found(body: Any, *, on: LintApi | None = None) -> dict[str, Any]:
    answer = await post(body, on=on)
    assert answer.status == 200
    value: dict[str, Any] = json.loads(answer.body)
    LintView.model_validate(value)
    return value


@pytest.mark.parametrize(
    "body",
    [
        message_json(good_receipt()),
        message_json(good_newsletter()),
        {"subject": "Your receipt", "html": RECEIPT_HTML.replace("cid:", "https://c.contoso.com/"),
         "text": RECEIPT_TEXT},
        {"subject": "Your code", "text": "Your code is 482913."},
    ],
)  # fmt: skip
async def test_a_good_mail_passes(body: Any) -> None:
    assert await found(body) == {
        "verdict": "pass", "counts": {"error": 0, "warning": 0, "info": 0}, "findings": [],
    }  # fmt: skip


async def test_findings_tell_where_why_and_what_to_do() -> None:
    value = await found({"subject": "Hello {{ name }}!!", "text": "Hi"})
    assert value["verdict"] == "warn"
    assert value["counts"] == {"error": 1, "warning": 1, "info": 0}
    first, second = value["findings"]
    assert first == {
        "rule": "placeholder", "severity": "error", "action": "warn", "where": "/subject",
        "why": f"It holds “{{{{ name }}}}”. {load_rules()['placeholder'].why}",
        "fix": load_rules()["placeholder"].fix,
    }  # fmt: skip
    assert second["rule"] == "subject-punctuation"


async def test_the_settings_decide_what_blocks() -> None:
    body = {"subject": "Hello {{ name }}", "text": "Hi"}
    strict = api(MAILROOM_LINT='{"placeholder": "block"}')
    value = await found(body, on=strict)
    assert (value["verdict"], value["findings"][0]["action"]) == ("block", "block")
    value = await found(body, on=api(MAILROOM_LINT='{"*": "off"}'))
    assert value["verdict"] == "pass"


async def test_a_draft_may_lack_anything() -> None:
    value = await found({})
    assert [finding["rule"] for finding in value["findings"]] == ["subject-missing"]
    assert value["verdict"] == "block"


async def test_a_draft_may_be_bulk() -> None:
    value = await found({"subject": "News", "text": "News!", "category": "bulk"})
    assert {finding["rule"] for finding in value["findings"]} == {
        "unsubscribe-missing", "postal-address-missing",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"{", 400, ""),
        ([], 422, ""),
        ({"subject": 5}, 422, "/subject"),
        ({"subject": "a\nb"}, 422, "/subject"),
        ({"html": "x", "no_such_field": 1}, 422, "/from"),
        ({"from": {"email": "a@contoso.com"}, "subject": "x", "text": "x"}, 422, "/to"),
        ({"from": {"email": "a@contoso.com"}, "to": [{"email": "b@contoso.com"}],
          "template": {"name": "invoice"}}, 422, "/template"),
    ],
)  # fmt: skip
async def test_what_is_no_mail_is_refused(body: Any, status: int, pointer: str) -> None:
    answer = await post(body)
    assert answer.status == status
    problem = json.loads(answer.body)
    assert pointer in [fault["pointer"] for fault in problem["errors"]]
    assert all(fault["fix"] for fault in problem["errors"])


async def test_too_large_and_no_json_are_refused() -> None:
    assert (await post(b" " * 1_000_001)).status == 413
    answer = await api().post(b"<p>Hi</p>", {"content-type": "text/html"})
    assert answer.status == 415


async def test_the_sender_and_attachments_of_a_message_count() -> None:
    message = make_message().model_dump(mode="json", by_alias=True, exclude_defaults=True)
    message |= {
        "reply_to": [{"email": "a@gmail.com"}],
        "attachments": [{"name": "setup.exe", "content": "TVo="}],
    }
    value = await found(message)
    assert {finding["rule"] for finding in value["findings"]} == {
        "attachment-rejected", "reply-to-differs",
    }  # fmt: skip
    assert value["verdict"] == "block"
