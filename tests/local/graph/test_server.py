"""Graph's stand-in by itself: the documented shapes, and a refusal of all others."""

from datetime import UTC, datetime, timedelta

import pytest

from local.contoso import APP_CLIENT_ID
from local.faults import Fault
from tests.local.graph.conftest import BILLING, Client

DELTA = "mailFolders/inbox/messages/delta"
LIST = "mailFolders/inbox/messages"
NOW = datetime(2026, 11, 27, 10, tzinfo=UTC)
IMMUTABLE = 'IdType="ImmutableId"'


def content(number: int) -> bytes:
    return f"Subject: Mail {number}\r\nMessage-ID: <{number}@x.test>\r\n\r\nWords.\r\n".encode()


def fill(client: Client, count: int) -> list[str]:
    """Mails a minute apart; their immutable ids."""
    made = [
        client.mailbox.deliver(content(n), received_at=NOW + timedelta(minutes=n))
        for n in range(count)
    ]
    return [mail.immutable_id for mail in made]


async def test_a_round_of_pages_and_then_what_changed(client: Client) -> None:
    ids = fill(client, 5)
    prefer = f"{IMMUTABLE}, odata.maxpagesize=2"
    first = await client.ask("GET", f"{DELTA}?$select=subject,receivedDateTime", prefer=prefer)
    assert first.body["value"][0].keys() == {
        "@odata.type", "@odata.etag", "id", "subject", "receivedDateTime",
    }  # fmt: skip
    second = await client.ask("GET", first.body["@odata.nextLink"], prefer=prefer)
    third = await client.ask("GET", second.body["@odata.nextLink"], prefer=prefer)
    assert (len(first.ids), len(second.ids), len(third.ids)) == (2, 2, 1)
    assert {*first.ids, *second.ids, *third.ids} == set(ids)
    assert "@odata.nextLink" not in third.body
    link = third.body["@odata.deltaLink"]
    client.mailbox.delete(client.mailbox.mails()[0])
    client.mailbox.mark(client.mailbox.mails()[0], is_read=True)
    new = client.mailbox.deliver(content(9))
    changes = await client.ask("GET", link, prefer=prefer)
    rest = await client.ask("GET", changes.body["@odata.nextLink"], prefer=prefer)
    assert {*changes.ids, *rest.ids} == {ids[0], ids[1], new.immutable_id}
    [removed] = [v for v in changes.body["value"] + rest.body["value"] if "@removed" in v]
    assert removed == {
        "@odata.type": "#microsoft.graph.message",
        "id": ids[0],
        "@removed": {"reason": "deleted"},
    }
    again = await client.ask("GET", rest.body["@odata.deltaLink"])
    assert again.body["value"] == []


async def test_created_alone_and_those_since_a_time(client: Client) -> None:
    ids = fill(client, 4)
    since = (NOW + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    query = f"?changeType=created&$filter=receivedDateTime+ge+{since}"
    first = await client.ask("GET", DELTA + query, prefer=IMMUTABLE)
    assert set(first.ids) == set(ids[2:])
    client.mailbox.mark(client.mailbox.mails()[3], is_read=True)
    client.mailbox.deliver(content(7), received_at=NOW)
    new = client.mailbox.deliver(content(8), received_at=NOW + timedelta(hours=1))
    changes = await client.ask("GET", first.body["@odata.deltaLink"], prefer=IMMUTABLE)
    assert changes.ids == [new.immutable_id]


async def test_a_filtered_round_ends_at_five_thousand(client: Client) -> None:
    fill(client, 5010)
    link = f"{client.server.url}/v1.0/users/{BILLING}/{DELTA}"
    link += "?$filter=receivedDateTime+ge+2020-01-01T00:00:00Z"
    count = 0
    while True:
        page = await client.ask("GET", link, prefer="odata.maxpagesize=1000")
        count += len(page.ids)
        if "@odata.deltaLink" in page.body:
            break
        link = page.body["@odata.nextLink"]
    assert count == 5000


async def test_a_state_that_is_gone_is_410(client: Client) -> None:
    link = (await client.ask("GET", DELTA)).body["@odata.deltaLink"]
    async with client.session.delete(f"{client.server.url}/local/states") as answer:
        assert (await answer.json()) == {"forgotten": 1}
    gone = await client.ask("GET", link)
    assert (gone.status, gone.code) == (410, "SyncStateNotFound")
    assert gone.headers["Location"].endswith("?$deltatoken=")


async def test_ids_change_with_a_move_unless_they_are_immutable(client: Client) -> None:
    [immutable] = fill(client, 1)
    [before] = (await client.ask("GET", DELTA)).ids
    assert before != immutable
    body = {"destinationId": "archive"}
    moved = await client.ask("POST", f"messages/{before}/move", json=body, prefer=IMMUTABLE)
    assert (moved.status, moved.body["id"]) == (201, immutable)
    assert (await client.ask("GET", f"messages/{before}/$value")).code == "ErrorItemNotFound"
    assert (await client.ask("GET", f"messages/{immutable}/$value")).body == content(0)
    assert (await client.ask("GET", DELTA)).ids == []


async def test_a_list_by_time_has_pages(client: Client) -> None:
    ids = fill(client, 5)
    low, high = "2026-11-27T10:01:00Z", "2026-11-27T10:04:00Z"
    query = f"?$filter=receivedDateTime ge {low} and receivedDateTime lt {high}"
    query += "&$orderby=receivedDateTime&$top=2&$select=receivedDateTime"
    first = await client.ask("GET", LIST + query, prefer=IMMUTABLE)
    second = await client.ask("GET", first.body["@odata.nextLink"], prefer=IMMUTABLE)
    assert first.ids + second.ids == ids[1:4]
    assert "@odata.nextLink" not in second.body


async def test_a_list_by_message_id(client: Client) -> None:
    sent = client.mailbox.deliver(b"Message-ID: <o'n@x>\r\n\r\n", folder="sentitems")
    client.mailbox.deliver(b"Message-ID: <other@x>\r\n\r\n", folder="sentitems")
    query = "mailFolders/sentitems/messages?$select=id&$filter=internetMessageId eq '<o''n@x>'"
    found = await client.ask("GET", query, prefer=IMMUTABLE)
    assert found.ids == [sent.immutable_id]
    unclosed = await client.ask("GET", query.replace("''", "'"))
    assert (unclosed.status, unclosed.code) == (400, "ErrorInvalidRestriction")


async def test_a_mail_is_marked(client: Client) -> None:
    [immutable] = fill(client, 1)
    marked = await client.ask("PATCH", f"messages/{immutable}", json={"isRead": True})
    assert (marked.status, marked.body["isRead"]) == (200, True)
    assert client.mailbox.mails()[0].is_read


async def test_folders_are_found_and_made(client: Client) -> None:
    query = "mailFolders?$filter=displayName eq 'Ana''s'&$select=id,displayName"
    assert (await client.ask("GET", query)).body["value"] == []
    made = await client.ask("POST", "mailFolders", json={"displayName": "Ana's"})
    assert made.status == 201
    assert (await client.ask("GET", query)).ids == [made.body["id"]]
    assert (await client.ask("POST", "mailFolders", json={"displayName": "Ana's"})).status == 409


@pytest.mark.parametrize(
    ("path", "prefer"),
    [
        (f"{DELTA}?select=subject", ""),
        (f"{DELTA}?$select=subjects", ""),
        (f"{DELTA}?$search=x", ""),
        (f"{DELTA}?$filter=subject eq 'x'", ""),
        (f"{DELTA}?$filter=receivedDateTime le 2026-11-27T10:00:00Z", ""),
        (f"{DELTA}?$filter=receivedDateTime ge 2026-11-27T10:00:00+01:00", ""),
        (f"{DELTA}?changeType=new", ""),
        (f"{DELTA}?$deltatoken=x&$select=subject", ""),
        (DELTA, "odata.maxpagesize=0"),
        (DELTA, "IdType=ImmutableId"),
        (DELTA, "odata.track-changes"),
        (f"{LIST}?$orderby=subject", ""),
        (f"{LIST}?$top=5000", ""),
        ("mailFolders?$filter=id eq 'x'", ""),
    ],
)
async def test_what_is_not_documented_is_refused(client: Client, path: str, prefer: str) -> None:
    assert (await client.ask("GET", path, prefer=prefer)).status == 400


@pytest.mark.parametrize("body", [{"isRead": "yes"}, {"isRead": True, "subject": "x"}, []])
async def test_a_change_of_anything_else_is_refused(client: Client, body: object) -> None:
    [immutable] = fill(client, 1)
    assert (await client.ask("PATCH", f"messages/{immutable}", json=body)).status == 400


async def test_tokens_for_others_are_refused(client: Client) -> None:
    wrong = [
        "",
        "nothing.like.it",
        client.issue("https://outlook.office365.com"),
        client.issue(tenant="99999999-0000-0000-0000-000000000004"),
        client.issue(life=timedelta(minutes=-1)),
    ]
    for token in wrong:
        client.token = token
        answer = await client.ask("GET", DELTA)
        assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")
        assert answer.body["error"]["innerError"].keys() == {
            "date", "request-id", "client-request-id",
        }  # fmt: skip


async def test_rights_are_a_mailboxs_or_the_tokens(client: Client) -> None:
    client.server.access.assign(BILLING, APP_CLIENT_ID)
    assert (await client.ask("GET", DELTA)).code == "ErrorAccessDenied"
    client.server.access.assign(BILLING, APP_CLIENT_ID, "Mail.Read")
    assert (await client.ask("GET", DELTA)).status == 200
    made = await client.ask("POST", "mailFolders", json={"displayName": "x"})
    assert made.code == "ErrorAccessDenied"
    client.token = client.issue(roles=("Mail.ReadWrite",))
    client.server.access.assign(BILLING, APP_CLIENT_ID)
    assert (await client.ask("POST", "mailFolders", json={"displayName": "x"})).status == 201
    nobody = await client.ask("GET", f"{client.server.url}/v1.0/users/no@contoso.test/{LIST}")
    assert (nobody.status, nobody.code) == (404, "ErrorInvalidUser")


async def test_faults_are_met_in_turn(client: Client) -> None:
    client.server.faults.add(Fault(status=429, retry_after=7))
    throttled = await client.ask("GET", DELTA)
    assert (throttled.status, throttled.headers["Retry-After"]) == (429, "7")
    assert (await client.ask("GET", DELTA)).status == 200
