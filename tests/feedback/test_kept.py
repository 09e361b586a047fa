"""What was kept of returned mail: listed by the API, read again after an upgrade, deleted."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.feedback.kept import KeptFilter
from shared.feedback.rereading import Reread
from shared.returned.report import Report
from tests.feedback.conftest import Returned, bounce
from tests.operations.conftest import BILLING, OpenOffice, read

URL = "http://localhost/api/returned-mail"
NOT_UNDERSTOOD = Report(kind="other", understood=False, subject="Unzustellbar: Rechnung\x07")


async def listed(returned: Returned, **query: str) -> Any:
    answer = await returned.office.app.kept_mail.list(query, f"{URL}?kind=x")
    assert answer.status == 200, answer.body
    return read(answer)


async def reread(returned: Returned, *, dry_run: bool) -> list[Reread]:
    rereading = returned.office.app.feedback.rereading
    return [one async for one in rereading.run(dry_run=dry_run)]


async def test_it_is_listed_and_can_be_had(returned: Returned) -> None:
    mail = returned.mail(NOT_UNDERSTOOD)
    for _ in range(2):  # handed over twice, kept once
        assert not await returned.office.app.feedback.intake.take(mail)
    page = await listed(returned)
    [found] = page["returned_mail"]
    assert page["cursor"] is None
    assert found["subject"] == "Unzustellbar: Rechnung "
    assert (found["kind"], found["understood"], found["match"]) == ("other", False, "none")
    assert (found["mailbox"], found["folder"], found["size"]) == (
        BILLING,
        "INBOX",
        len(mail.content),
    )
    assert found["why"]
    assert found["url"] == f"{URL}/{found['id']}"
    answer = await returned.office.app.kept_mail.get(found["id"])
    assert (answer.status, answer.content_type) == (200, "message/rfc822")
    assert answer.body == mail.content
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("kept", ["", "x", "../a", "0" * 14 + "-" + "a" * 24, "0" * 39])
async def test_what_is_not_kept_is_not_found(returned: Returned, kept: str) -> None:
    answer = await returned.office.app.kept_mail.get(kept)
    assert answer.status == 404
    assert read(answer)["fix"]


async def test_filters_and_pages_the_newest_first(returned: Returned) -> None:
    now, message_id = returned.office.clock(), await returned.sent()
    header = returned.header(message_id, "Message-ID")
    reports = {
        "not understood": NOT_UNDERSTOOD,
        "not understood, but ours": replace(NOT_UNDERSTOOD, original_message_ids=(header,)),
        "unmatched": bounce(),
        "complaint": Report(kind="complaint"),
    }
    for number, (subject, report) in enumerate(reports.items()):
        at = now - timedelta(hours=number)
        await returned.take(replace(report, subject=subject), at=at)

    async def subjects(**query: str) -> list[str]:
        return [mail["subject"] for mail in (await listed(returned, **query))["returned_mail"]]

    assert await subjects() == list(reports)
    assert await subjects(kind="bounce") == ["unmatched"]
    assert await subjects(matched="true") == ["not understood, but ours"]
    assert len(await subjects(matched="false")) == 3
    since = (now - timedelta(hours=1, minutes=30)).isoformat()
    assert await subjects(since=since) == list(reports)[:2]
    seen, cursor = [], ""
    for _ in range(4):
        page = await listed(returned, limit="1", **({"cursor": cursor} if cursor else {}))
        seen += [mail["subject"] for mail in page["returned_mail"]]
        cursor = page["cursor"] or ""
    assert seen == list(reports)
    counts = await returned.office.app.feedback.reputation.read(now.date())
    earlier = await returned.office.app.feedback.reputation.read((now - timedelta(hours=3)).date())
    kinds = {(one.kind, one.reason) for one in (counts | earlier)}
    assert kinds == {
        ("not-understood", "other"), ("unmatched", "bounce"), ("unmatched", "complaint"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [("kind", "spam"), ("matched", "perhaps"), ("since", "yesterday"), ("limit", "0"),
     ("limit", "1001"), ("cursor", "../x"), ("since", "2026-12-01T08:00:00")],
)  # fmt: skip
async def test_a_parameter_that_cannot_be_used(returned: Returned, name: str, value: str) -> None:
    answer = await returned.office.app.kept_mail.list({name: value}, URL)
    assert answer.status == 422
    [error] = read(answer)["errors"]
    assert error["pointer"] == f"/{name}"


async def test_after_an_upgrade_it_is_understood(returned: Returned) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    mail = returned.mail(NOT_UNDERSTOOD)
    await returned.office.app.feedback.intake.take(mail)
    await returned.take(bounce(original_message_ids=("<stranger@evil.test>",)))
    returned.reports[mail.content] = bounce(mailroom_id=signed)
    for _ in range(2):
        found = await reread(returned, dry_run=True)
        assert sorted(one.events for one in found) == [0, 1]
        assert await returned.events() == []
    await reread(returned, dry_run=False)
    [event] = await returned.handle()
    assert event["subject"] == message_id
    assert await returned.until("ana@example.com") == [None]
    [left] = (await listed(returned))["returned_mail"]
    assert left["kind"] == "bounce"
    assert [one.events for one in await reread(returned, dry_run=False)] == [0]


async def test_what_was_handed_on_before_a_crash_is_handed_on_as_the_same(
    returned: Returned, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await returned.sent()
    signed = returned.header(message_id, "X-Mailroom-Id")
    mail = returned.mail(NOT_UNDERSTOOD)
    await returned.office.app.feedback.intake.take(mail)
    returned.reports[mail.content] = bounce(mailroom_id=signed)

    async def killed(kept: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(returned.office.app.feedback.kept, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            await reread(returned, dry_run=False)
    await reread(returned, dry_run=False)
    first, second = await returned.events()
    assert json.dumps(first) == json.dumps(second)


async def test_retention_deletes_it_and_old_counts(open_office: OpenOffice) -> None:
    returned = Returned(
        open_office(
            MAILROOM_RETURNED_DAYS="3", MAILROOM_TIMELINE_DAYS="5", MAILROOM_CONTENT_DAYS="5"
        )
    )
    now = returned.office.clock()
    await returned.take(replace(NOT_UNDERSTOOD, subject="old"), at=now - timedelta(days=4))
    await returned.take(replace(NOT_UNDERSTOOD, subject="older"), at=now - timedelta(days=6))
    await returned.take(replace(NOT_UNDERSTOOD, subject="new"), at=now - timedelta(days=2))
    assert (await returned.office.app.retention.run())["others"] == 3  # two mails, one count
    [left] = (await listed(returned))["returned_mail"]
    assert left["subject"] == "new"
    kept = returned.office.app.feedback.kept
    assert await kept.content(left["id"])
    assert (await kept.page(KeptFilter()))[1] == ""
