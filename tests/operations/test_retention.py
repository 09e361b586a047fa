"""What need not be kept is deleted: first content, later record and timeline."""

import base64
import os
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import SettingsError, StorageUnavailableError
from shared.settings import load_settings
from tests.operations.conftest import Office, OpenOffice, message, read
from tests.operations.test_batches import SHARED, to
from tests.operations.test_resolving import unknown_message

FILE = [{"name": "a.bin", "content": base64.b64encode(os.urandom(1000)).decode()}]
DAY = timedelta(days=1)


async def content_of(office: Office, message_id: str) -> bytes:
    """What the message's row and blobs hold of its content."""
    [row] = [r for r in await office.rows() if r["RowKey"] == f"message-{message_id}"]
    inline = b"".join(v for k, v in row.items() if k.startswith("content") and isinstance(v, bytes))
    return inline + b"".join((await office.blobs(message_id)).values())


@pytest.mark.parametrize("changes", [{}, {"attachments": FILE}])
async def test_content_goes_first_and_the_record_later(
    open_office: OpenOffice, changes: dict[str, Any]
) -> None:
    office = open_office(MAILROOM_CONTENT_DAYS="30", MAILROOM_TIMELINE_DAYS="100")
    message_id = await office.post(**changes)
    await office.deliver()
    before = await office.view(message_id)
    assert before["status"] == "sent"
    office.clock.ahead = 29 * DAY
    assert not await office.app.retention.run()
    assert await content_of(office, message_id)
    office.clock.ahead = 31 * DAY
    assert await office.app.retention.run() == {"contents": 1}
    assert not await content_of(office, message_id)
    assert await office.view(message_id) == before
    assert not await office.app.retention.run()
    office.clock.ahead = 99 * DAY
    assert not await office.app.retention.run()
    office.clock.ahead = 101 * DAY
    assert await office.app.retention.run() == {"records": 1}
    assert await office.rows() == []
    assert await office.rows("timeline") == []
    assert await office.blobs() == {}
    assert (await office.app.messages.get(message_id)).status == 404


async def test_both_at_once_where_nobody_ran_it_for_a_year(office: Office) -> None:
    message_id = await office.post(attachments=FILE, to=[{"email": "unknown@example.com"}])
    await office.deliver()
    assert await office.keys("ended-")
    office.clock.ahead = 400 * DAY
    assert await office.app.retention.run() == {"records": 1}
    assert await office.rows() == []
    assert await office.blobs(message_id) == {}


async def test_what_waits_is_kept_however_long(office: Office) -> None:
    await office.post(send_at=(office.clock() + 300 * DAY).isoformat())
    office.clock.ahead = 299 * DAY
    assert not await office.app.retention.run()
    assert len(await office.keys("message-")) == 1


async def test_the_time_counts_from_the_last_final_status(office: Office) -> None:
    """Put back on its way a message expires no more; ended again, it does so anew."""
    message_id = await unknown_message(office, taken=False)
    office.clock.ahead = 20 * DAY
    await office.resolve(message_id, **{"as": "sent"})
    assert len(await office.keys("expire-")) == 1
    office.clock.ahead = 40 * DAY
    assert not await office.app.retention.run()
    office.clock.ahead = 51 * DAY
    assert await office.app.retention.run() == {"contents": 1}


async def test_a_resent_message_has_no_expiry_while_it_waits(office: Office) -> None:
    message_id = await unknown_message(office, taken=False)
    await office.resolve(message_id, **{"as": "resend"})
    assert await office.keys("expire-") == []
    office.clock.ahead = 400 * DAY
    assert not await office.app.retention.run()
    assert await content_of(office, message_id)


async def test_it_costs_what_expires_not_what_is_kept(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.post_batch({"shared": message(), "messages": [{}] * 40})
    while await office.deliver():
        pass
    office.clock.ahead = 20 * DAY
    late = [await office.post() for _ in range(2)]
    await office.deliver()
    office.clock.ahead = 0 * DAY
    reads = []
    read_row = office.app._ledger._table.read

    async def counted(partition: str, key: str, **options: Any) -> Any:
        reads.append(key)
        return await read_row(partition, key, **options)

    monkeypatch.setattr(office.app._ledger._table, "read", counted)
    assert not await office.app.retention.run()
    assert reads == []
    office.clock.ahead = 31 * DAY
    assert (await office.app.retention.run())["contents"] == 40
    assert len(reads) == 40
    assert not set(reads) & {f"message-{message_id}" for message_id in late}


async def test_a_run_goes_on_where_a_crash_cut_it_short(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await office.post(attachments=FILE)
    await office.deliver()
    office.clock.ahead = 31 * DAY

    async def away(_: str) -> None:
        raise StorageUnavailableError("Storage does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(office.app._contents._container, "delete", away)
        with pytest.raises(StorageUnavailableError):
            await office.app.retention.run()
    assert len(await office.blobs(message_id)) == 1
    assert await office.app.retention.run() == {"contents": 1}
    assert await office.blobs(message_id) == {}


async def test_many_pages(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.messages.retention._PAGE", 2)
    await office.post_batch({"shared": message(), "messages": [{}] * 70})
    while await office.deliver():
        pass
    office.clock.ahead = 31 * DAY
    assert (await office.app.retention.run())["contents"] == 70
    assert not await office.app.retention.run()


async def test_what_a_refused_queue_message_left_goes_too(office: Office) -> None:
    await office.poison(b"nonsense")
    await office.app.outbound.handle(b'{"text": "' + b"x" * 60_000 + b'"}', queue_id="q")
    [(queue_id, text)] = await office.take("outbound-mail-poison")
    await office.poison(text, queue_id)
    assert len(await office.blobs()) == 3
    office.clock.ahead = 31 * DAY
    assert await office.app.retention.run() == {"contents": 2}
    assert await office.blobs() == {}


async def test_shared_content_stays_until_the_last_of_its_batch_is_over(office: Office) -> None:
    later = (office.clock() + 5 * DAY).isoformat()
    batch = {"shared": SHARED, "messages": [*to("ana"), *to("ben", send_at=later)]}
    accepted = read(await office.post_batch(batch))["accepted"]
    await office.deliver()
    office.clock.ahead = 31 * DAY
    assert await office.app.retention.run() == {"contents": 1}
    assert len(await office.blobs("batches/")) == 1
    # Ben's message has been held up; its batch is looked at and kept another time.
    office.clock.ahead = 37 * DAY
    assert not await office.app.retention.run()
    await office.app.delivery.deliver(accepted[1]["id"])
    assert (await office.view(accepted[1]["id"]))["status"] == "sent"
    assert len(await office.blobs("batches/")) == 1
    office.clock.ahead = 66 * DAY
    assert not await office.app.retention.run()
    office.clock.ahead = 68 * DAY
    assert await office.app.retention.run() == {"contents": 1, "batches": 1}
    assert await office.blobs() == {}
    assert await office.keys("batch") == []


async def test_a_batch_with_a_key_but_no_blob_is_forgotten_too(office: Office) -> None:
    await office.post_batch({"shared": message(), "messages": [{}]}, "key")
    await office.deliver()
    office.clock.ahead = 32 * DAY
    assert await office.app.retention.run() == {"contents": 1, "batches": 1}
    assert await office.keys("batch") == []
    again = await office.post_batch({"shared": message(), "messages": [{}]}, "key")
    assert again.status == 202
    assert await office.deliver() == 0, "the message itself is still known"


def test_the_record_must_not_go_before_the_content() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {
                "MAILROOM_SENDERS": '["a@contoso.test"]',
                "MAILROOM_TENANT_ID": "t",
                "MAILROOM_CLIENT_ID": "c",
                "AzureWebJobsStorage": "UseDevelopmentStorage=true",
                "MAILROOM_CONTENT_DAYS": "31",
                "MAILROOM_TIMELINE_DAYS": "30",
            }
        )
    assert caught.value.names == ("MAILROOM_TIMELINE_DAYS",)
