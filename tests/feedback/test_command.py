"""`python -m shared.feedback --reread`, as `make reread` calls it, on a real storage account."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

from local.office365.reports import Failure, Original, non_delivery_report
from shared.returned.report import Report
from shared.storage.names import BOUNCE_EVENTS
from tests.feedback.conftest import Returned

NOT_UNDERSTOOD = Report(kind="other", understood=False)


async def command(
    returned: Returned, *arguments: str, **environment: str
) -> tuple[int, list[dict[str, Any]], str]:
    """Runs it in a process of its own; its status, its lines, and what it says besides."""
    services = returned.office.services
    given = {**os.environ, **services.app_settings(), **environment}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "shared.feedback", *arguments],
        env=given, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


async def kept(returned: Returned) -> tuple[str, str]:
    """A genuine report that was not understood when it came; its id, and its message's."""
    message_id = await returned.sent()
    [sent] = returned.office.mails(message_id)
    failure = Failure("ana@example.com", "5.1.10", "550 5.1.10 Recipient not found")
    content = non_delivery_report(Original.of(sent), [failure], now=returned.office.clock())
    mail = replace(returned.mail(NOT_UNDERSTOOD), content=content)
    returned.reports[content] = NOT_UNDERSTOOD
    assert not await returned.office.app.feedback.intake.take(mail)
    page = json.loads((await returned.office.app.kept_mail.list({}, "http://localhost/")).body)
    [found] = page["returned_mail"]
    return str(found["id"]), message_id


async def test_what_is_understood_now_is_told_then_handed_on_once(returned: Returned) -> None:
    kept_id, message_id = await kept(returned)
    told = {"id": kept_id, "kind": "bounce", "events": 1, "why": ""}
    status, lines, said = await command(returned, "--reread", "--dry-run")
    assert (status, lines) == (0, [{**told, "dry_run": True}]), said
    assert said.endswith("1 read, 1 understood now\n")
    assert await returned.office.take(BOUNCE_EVENTS) == []
    status, lines, said = await command(returned, "--reread")
    assert (status, lines) == (0, [{**told, "dry_run": False}]), said
    [(_, event)] = await returned.office.take(BOUNCE_EVENTS)
    assert json.loads(event)["subject"] == message_id
    assert json.loads(event)["data"]["match"] == "signed"
    assert (await command(returned, "--reread"))[1] == []
    assert await returned.office.take(BOUNCE_EVENTS) == []


async def test_settings_that_are_wrong_are_told(returned: Returned) -> None:
    status, lines, said = await command(returned, "--reread", MAILROOM_TENANT_ID="")
    assert (status, lines) == (1, [])
    assert "MAILROOM_TENANT_ID" in said
    assert "Traceback" not in said
