"""Every fault at every step of a message's life, on Azurite and the local tenant: what it costs.

Nothing is lost, nothing is doubled, and `unknown` is only what nobody can know: where the server
had all of the content, and its reply was never seen. Time is moved, not waited for.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueClient

from local.contoso import APP_CLIENT_ID, MAILBOXES
from local.office365.faults import Fault
from shared.application import Application
from shared.errors import MailroomError, StorageUnavailableError
from shared.messages.identity import queue_reference
from shared.messages.record import MessageRecord
from shared.settings import load_settings
from shared.storage.blobs import Container
from shared.storage.names import OUTBOUND_MAIL, OUTBOUND_MAIL_HIGH, QUOTAS
from shared.storage.queues import Queue
from shared.storage.tables import Table
from tests.faults.conftest import POOL, Clock, Results, Tenant
from tests.marks import marked_id

BILLING, ALERTS = MAILBOXES
SENDERS = json.dumps({BILLING: BILLING, ALERTS: ALERTS, POOL: list(MAILBOXES)})
# Seconds between two looks at a message that waits: back-off, leases, and the longest pauses.
STEPS = (1, 2, 20, 40, 90, 130, *([300] * 4), *([1900] * 24))
FEW_STEPS = (25, 130, 300, 1900, 1900)
URL = "http://localhost/api/messages"


class Office:
    """One instance of the app. `clock`: its own."""

    def __init__(self, tenant: Tenant, clock: Clock, *, storage_tells_time: bool = False) -> None:
        self.tenant, self.clock = tenant, clock
        settings = {
            **tenant.app_settings(),
            "MAILROOM_SENDERS": SENDERS,
            "MAILROOM_SMTP_TIMEOUT": "2",
        }
        self.app = Application(load_settings(settings), clock=clock)
        if not storage_tells_time:  # the governor would hold the moved clock for wrong
            self.app._governor._rows.table._hooks.clear()  # type: ignore[attr-defined]

    async def post(self, **changes: Any) -> str:
        """Posts a message under a key, again until it is accepted; returns its id."""
        whole = {
            "from": {"email": BILLING}, "to": [{"email": "ana@example.com"}],
            "subject": "Invoice 1042", "text": "Hello\n", **changes,
        }  # fmt: skip
        self.tenant.posted += 1
        headers = {"idempotency-key": f"matrix-{self.tenant.posted}"}
        for _ in range(5):
            answer = await self.app.messages.post(json.dumps(whole).encode(), headers, URL)
            if answer.status == 202:
                return str(json.loads(answer.body)["id"])
            assert answer.status == 503, answer.body
        raise AssertionError(answer.body)

    async def handle(self, message_id: str) -> None:
        """Handles the message's queue message, as if it came now; on a failure it stays."""
        try:
            await self.app.outbound.handle(queue_reference(message_id).encode(), queue_id="q")
        except StorageUnavailableError:
            return

    async def reconcile(self) -> None:
        try:
            await self.app.reconciliation.run()
        except MailroomError:
            return  # the timer comes again

    async def close_sessions(self) -> None:
        """Those that are too old already: else they take connections from other instances."""
        for lane in self.app.pool._lanes.values():
            await self.app.pool._close_stale(lane)

    async def record(self, message_id: str) -> MessageRecord | None:
        """What is stored; a failure planned for Mailroom may strike here."""
        try:
            return await self.app._ledger.get(message_id)
        except StorageUnavailableError:
            return await self.app._ledger.get(message_id)

    async def settled(
        self, message_id: str, steps: Sequence[float] = STEPS
    ) -> MessageRecord | None:
        """The message's record when it is final, or has had time enough to be."""
        for step in steps:
            await self.handle(message_id)
            record = await self.record(message_id)
            if record is not None and record.final:
                return record
            self.tenant.clock.advance(seconds=step)
            await self.reconcile()
        return await self.record(message_id)


def copies(tenant: Tenant, message_id: str) -> int:
    """How often the server has taken a message."""
    return sum(marked_id(kept.head) == message_id for kept in tenant.office365.messages)


@dataclass(frozen=True)
class Case:
    """Faults of the server, and how a message may end that meets them."""

    what: str
    name: str
    faults: tuple[Fault, ...]
    ends: frozenset[str] = frozenset({"sent"})


def _case(what: str, *faults: Fault, ends: Collection[str] = ("sent",)) -> Case:
    name = ", ".join(f"{fault.stage} {fault.action}" for fault in faults)
    return Case(what, f"{what}: {name}", faults, frozenset(ends))


# To a server that does not know BDAT after all, the client speaks DATA.
NO_BDAT = Fault("bdat", "reply", reply="500 5.3.3 Unrecognized command")
COMMANDS = ("connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt")
LOST_REPLY = ("sent", "unknown")

CASES = [
    *(_case("dropped after a command", Fault(stage, "drop")) for stage in COMMANDS),
    *(_case("dropped after a reply", Fault(stage, "drop-after-reply")) for stage in COMMANDS),
    *(_case("421 to a command", Fault(stage, "421")) for stage in COMMANDS),
    *(_case("no reply to a command", Fault(stage, "hang", seconds=3))
      for stage in ("greeting", "ehlo", "mail")),
    _case("dropped after a command", NO_BDAT, Fault("data", "drop")),
    _case("dropped after a reply", NO_BDAT, Fault("data", "drop-after-reply"), ends=LOST_REPLY),
    _case("421 to a command", NO_BDAT, Fault("data", "421")),
    # A session's first chunk is its first header line alone; the second is the rest.
    *(_case("dropped after a chunk", Fault("bdat", action)) for action in ("drop", "421")),
    _case("dropped after a chunk", Fault("bdat", "drop-after-reply"), ends=LOST_REPLY),
    *(_case("dropped after the last chunk", Fault("bdat", action, skip=1), ends=("unknown",))
      for action in ("drop", "accept-and-drop")),
    _case("dropped after the last chunk", Fault("bdat", "drop-after-reply", skip=1)),
    _case("421 to the last chunk", Fault("bdat", "421", skip=1)),
    *(_case("dropped in the content", Fault("body", action, after_octets=octets), ends=LOST_REPLY)
      for action in ("drop", "421") for octets in (1, 300)),
    *(_case("dropped in the content", NO_BDAT, Fault("body", action, skip=1), ends=LOST_REPLY)
      for action in ("drop", "421")),
    *(_case("dropped after the final dot", NO_BDAT, Fault("end-of-data", action),
            ends=("unknown",)) for action in ("drop", "accept-and-drop")),
    _case("dropped after the final dot", NO_BDAT, Fault("end-of-data", "drop-after-reply")),
    _case("421 to the final dot", NO_BDAT, Fault("end-of-data", "421")),
    _case("dropped with the end's reply", Fault("after-reply", "drop"), ends=LOST_REPLY),
    _case("421 after the end's reply", Fault("after-reply", "421")),
    *(_case("432 connections", Fault(stage, "reply", reply="432 4.3.2 STOREDRV.ClientSubmit; "
            "sender thread limit exceeded")) for stage in ("mail", "end-of-data")),
    *(_case("451 temporary", Fault(stage, "reply")) for stage in ("mail", "rcpt", "end-of-data")),
    *(_case("550 5.2.251 throttled", Fault(stage, "reply", reply="550 5.2.251 RecipientThrottled"))
      for stage in ("mail", "end-of-data")),
    _case("554 5.2.0 quota", Fault("end-of-data", "reply", reply="554 5.2.0 STOREDRV.Submission."
          "Exception:SubmissionQuotaExceededException; Submission quota exceeded")),
    _case("430 4.2.0 no permission", Fault("mail", "reply", reply="430 4.2.0 STOREDRV; mailbox "
          "logon failure; MapiExceptionLogonFailed")),
    _case("535 refused at sign-in", Fault("auth", "reply", reply="535 5.7.3 Authentication "
          "unsuccessful")),
    *(_case("550 refused for good", Fault(stage, "reply", reply="554 5.7.1 Refused by policy"),
            ends=("failed",)) for stage in ("mail", "end-of-data")),
]  # fmt: skip


@pytest.fixture(scope="module")
async def office(tenant: Tenant, module_environment: None) -> AsyncIterator[Office]:
    office = Office(tenant, tenant.clock)
    yield office
    await office.app.aclose()


@pytest.fixture(scope="module")
def module_environment(tenant: Tenant) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tenant.identity.environment().items():
            patch.setenv(name, value)
        yield


@pytest.fixture(autouse=True)
async def afresh(tenant: Tenant) -> None:
    """Sessions and tokens of an earlier case are too old, and its queue messages are gone."""
    tenant.office365.faults.clear()
    tenant.clock.advance(hours=13)
    for name in (OUTBOUND_MAIL, OUTBOUND_MAIL_HIGH):
        async with QueueClient.from_connection_string(
            tenant.azurite.connection_string, name
        ) as queue:
            await queue.clear_messages()


def note(
    results: Results, tenant: Tenant, what: str, message_id: str, record: MessageRecord | None,
    *, struck: int,
) -> None:  # fmt: skip
    """Counts a message, and finds nothing lost and nothing doubled."""
    line, taken = results.line(what), copies(tenant, message_id)
    status = record.status if record is not None else "nothing"
    line.messages += 1
    line.struck += struck
    line.sent += status == "sent"
    line.failed += status == "failed"
    line.unknown += status == "unknown"
    lost = record is None or not record.final or (status == "sent" and not taken)
    line.lost += lost
    line.doubled += taken > 1
    assert not lost, f"{what}: {record}"
    assert taken <= 1, f"{what}: the server has it {taken} times"
    assert not (status == "failed" and taken), f"{what}: failed, though the server has it"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_server_fails_at_a_step(
    case: Case, tenant: Tenant, office: Office, results: Results
) -> None:
    tenant.office365.faults.add(case.faults)
    message_id = await office.post()
    record = await office.settled(message_id)
    struck = sum(fault["struck"] for fault in tenant.office365.faults.as_json())
    assert struck == len(case.faults), "a fault has not struck"
    note(results, tenant, case.what, message_id, record, struck=struck)
    assert record is not None
    assert record.status in case.ends, record


async def test_a_mailbox_that_is_refused_leaves_its_messages_to_the_other(
    tenant: Tenant, office: Office, results: Results
) -> None:
    """The one that is tried first refuses: the other has all of them in no time."""
    what = "one mailbox of two refused"
    for stage, reply in (
        ("mail", "550 5.2.251 RecipientThrottled"),
        ("mail", "430 4.2.0 STOREDRV; mailbox logon failure; MapiExceptionLogonFailed"),
        ("end-of-data", "554 5.2.0 Submission quota exceeded; SubmissionQuotaExceeded"),
        ("end-of-data", "550 5.1.8 Access denied, bad outbound sender"),
    ):
        tenant.office365.faults.clear()
        tenant.clock.advance(hours=13)
        usual = await office.settled(await office.post(**{"from": {"email": POOL}}))
        assert usual is not None
        [other] = set(MAILBOXES) - {usual.mailbox}
        tenant.office365.faults.add(
            [Fault(stage, "reply", reply=reply, mailbox=usual.mailbox, times=None)]
        )
        began = tenant.clock()
        for _ in range(4):
            message_id = await office.post(**{"from": {"email": POOL}})
            record = await office.settled(message_id)
            note(results, tenant, what, message_id, record, struck=0)
            assert record is not None
            assert (record.status, record.mailbox) == ("sent", other)
        assert (tenant.clock() - began).total_seconds() < 30
        [fault] = tenant.office365.faults.as_json()
        results.line(what).struck += fault["struck"]
        assert fault["struck"] == 1, "a refused mailbox is not tried again and again"


async def test_a_token_ends_in_mid_session(
    tenant: Tenant, office: Office, results: Results
) -> None:
    """The server's clock is ahead: to it, the token of a session is over before its time."""
    before = tenant.theirs.ahead
    try:
        for _ in range(3):
            first = await office.post()
            assert (await office.settled(first)).status == "sent"  # type: ignore[union-attr]
            tenant.theirs.advance(hours=25)
            second = await office.post()
            record = await office.settled(second)
            note(results, tenant, "token expired in mid-session", second, record, struck=1)
            assert record is not None
            assert record.status == "sent"
            assert record.attempt > 1, "the old session did take it"
    finally:
        tenant.theirs.ahead = before


# Storage


class Breaker:
    """Breaks one of the calls of storage, as they are counted."""

    def __init__(self, number: int, kind: str) -> None:
        self.number, self.kind = number, kind
        self.calls = 0

    @property
    def struck(self) -> bool:
        return self.calls >= self.number

    def strikes(self) -> bool:
        self.calls += 1
        return self.calls == self.number


def break_calls(patch: pytest.MonkeyPatch, breaker: Breaker) -> None:
    """One call of Mailroom's own clients fails at last, after all of the SDK's retries: before it
    had an effect, or afterwards."""

    def breaking(original: Callable[..., Any]) -> Callable[..., Any]:
        async def call(self: Any, *args: Any, **options: Any) -> Any:
            strikes = breaker.strikes()
            if strikes and breaker.kind == "refused":
                raise StorageUnavailableError("Storage failed: 503 ServerBusy.")
            result = await original(self, *args, **options)
            if strikes:
                raise StorageUnavailableError("Storage does not answer: ServiceResponseError.")
            return result

        return call

    for owner, names in (
        (Table, ("read", "write")), (Queue, ("send", "oldest_visible")),
        (Container, ("read", "write")),
    ):  # fmt: skip
        for name in names:
            patch.setattr(owner, name, breaking(getattr(owner, name)))

    query = Table.query

    async def querying(self: Table, *args: Any, **options: Any) -> AsyncIterator[Any]:
        if breaker.strikes():
            raise StorageUnavailableError("Storage failed: 503 ServerBusy.")
        async for row in query(self, *args, **options):
            yield row

    patch.setattr(Table, "query", querying)


def break_requests(patch: pytest.MonkeyPatch, breaker: Breaker) -> None:
    """One HTTP request of the SDK fails, which it may repeat: 429 or 500 (and nothing was done),
    or an answer that never comes though it was done."""
    send = AioHttpTransport.send

    async def sending(self: Any, request: Any, **options: Any) -> Any:
        right = request.headers.get("Authorization", "")
        if not right.startswith("SharedKey"):
            return await send(self, request, **options)  # Key Vault's
        strikes = breaker.strikes()
        if strikes and breaker.kind.isdigit():
            request.headers["Authorization"] = "SharedKey nobody:AAAA"  # so that nothing is done
        response = await send(self, request, **options)
        request.headers["Authorization"] = right
        if strikes and breaker.kind.isdigit():
            assert response.status_code == 403
            response.status_code = int(breaker.kind)
        if strikes and breaker.kind == "timeout":
            raise ServiceResponseError("the answer did not come in time")
        return response

    patch.setattr(AioHttpTransport, "send", sending)


# The SDK reads errors that are XML (only such as Azurite's of a wrong signature) in an old way.
@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("refused", break_calls), ("answer lost", break_calls), ("429", break_requests),
        ("500", break_requests), ("timeout", break_requests),
    ],
    ids=["refused", "answer lost", "429", "500", "timeout"],
)  # fmt: skip
async def test_storage_fails_at_each_call_of_a_messages_life(
    kind: str,
    how: Callable[[pytest.MonkeyPatch, Breaker], None],
    tenant: Tenant,
    office: Office,
    results: Results,
) -> None:
    """From its acceptance to its end with a blob, a deferral and a refused recipient; each time
    one call later, until a life has no more calls."""
    for number in range(1, 100):
        tenant.office365.faults.clear()
        tenant.office365.faults.add([Fault("end-of-data", "reply")])
        tenant.clock.advance(hours=1)
        with pytest.MonkeyPatch.context() as patch:
            breaker = Breaker(number, kind)
            how(patch, breaker)
            message_id = await office.post(
                to=[{"email": "ana@example.com"}, {"email": "unknown@example.com"}],
                attachments=[{"name": "a.txt", "content_type": "text/plain", "content": "QQ=="}],
            )
            record = await office.settled(message_id, FEW_STEPS)
        if not breaker.struck:
            break
        what = f"storage: {kind}"
        note(results, tenant, what, message_id, record, struck=1)
        assert record is not None
        assert record.status == "sent", f"call {number}: {record}"
    assert number > 10, "a life has more calls than that"


# Credentials


async def test_key_vault_and_entra_are_down_for_ten_minutes(
    tenant: Tenant, results: Results
) -> None:
    """A new instance has neither secret nor token: its messages wait."""
    office = Office(tenant, tenant.clock)
    async with AsyncExitStack() as closing:
        closing.push_async_callback(office.app.aclose)
        await tenant.vault.stop()
        await tenant.entra.stop()
        closing.push_async_callback(tenant.vault.start)
        closing.push_async_callback(tenant.entra.start)
        ids = [await office.post() for _ in range(3)]
        for _ in range(10):
            await asyncio.gather(*(office.handle(message_id) for message_id in ids))
            records = [await office.record(message_id) for message_id in ids]
            assert {record.status for record in records if record} == {"queued"}
            tenant.clock.advance(seconds=60)
        assert all("Key Vault" in record.detail for record in records if record), records
        await tenant.vault.start()
        await tenant.entra.start()
        for message_id in ids:
            record = await office.settled(message_id)
            note(results, tenant, "Key Vault and Entra down", message_id, record, struck=1)
            assert record is not None
            assert record.status == "sent"


async def test_key_vault_and_entra_are_down_while_a_token_lives(
    tenant: Tenant, office: Office, results: Results
) -> None:
    """Who has a token does not notice."""
    first = await office.post()
    await office.settled(first)
    await tenant.vault.stop()
    await tenant.entra.stop()
    try:
        for _ in range(3):
            message_id = await office.post()
            await office.handle(message_id)
            record = await office.record(message_id)
            what = "Key Vault and Entra down, token alive"
            note(results, tenant, what, message_id, record, struck=1)
            assert record is not None
            assert record.status == "sent"
    finally:
        await tenant.vault.start()
        await tenant.entra.start()


# Two instances


type TwoOffices = Callable[..., AbstractAsyncContextManager[tuple[Office, Office]]]


@pytest.fixture
async def two_offices(tenant: Tenant, office: Office) -> TwoOffices:
    """Opens two instances; the clock of the second is so many seconds ahead of storage's and the
    first's, which go by the real time."""
    await office.close_sessions()
    return partial(_two_offices, tenant)


@asynccontextmanager
async def _two_offices(
    tenant: Tenant, *, ahead: float = 0.0
) -> AsyncIterator[tuple[Office, Office]]:
    async with TableServiceClient.from_connection_string(
        tenant.azurite.connection_string
    ) as tables:
        quotas = tables.get_table_client(QUOTAS)
        async for row in quotas.list_entities():
            await quotas.delete_entity(row)
        offices = [
            Office(tenant, Clock(seconds=seconds), storage_tells_time=True)
            for seconds in (0.0, ahead)
        ]
        try:
            yield offices[0], offices[1]
        finally:
            for office in offices:
                await office.app.aclose()
            async for row in quotas.list_entities():
                await quotas.delete_entity(row)


async def test_two_instances_take_one_message(
    tenant: Tenant, two_offices: TwoOffices, results: Results
) -> None:
    async with two_offices() as (one, other):
        ids = [await (one, other)[n % 2].post() for n in range(12)]
        await asyncio.gather(
            *(office.handle(i) for i in ids for office in (one, other, other, one))
        )
        for message_id in ids:
            record = await one.record(message_id)
            note(results, tenant, "two instances, one message", message_id, record, struck=1)
            assert record is not None
            assert record.status == "sent"


@pytest.mark.parametrize("minutes", [5, -5])
async def test_a_clock_is_five_minutes_off(
    minutes: int, tenant: Tenant, two_offices: TwoOffices, results: Results
) -> None:
    """While one instance hands over, the other takes its lease for over, and the message for one
    whose owner is gone. The owner comes back and knows better."""
    async with two_offices(ahead=60.0 * minutes) as (right, wrong):
        behind, ahead = (right, wrong) if minutes > 0 else (wrong, right)
        await ahead.reconcile()  # its clients are open: from now on it is quick
        doubted = 0
        for _ in range(3):
            tenant.office365.faults.add([Fault("end-of-data", "accept-and-hang", seconds=1)])
            message_id = await behind.post()
            handing_over = asyncio.create_task(delivered(behind, message_id))
            while not copies(tenant, message_id):
                await asyncio.sleep(0.02)
            await ahead.handle(message_id)
            record = await ahead.record(message_id)
            doubted += record is not None and record.status == "unknown"
            await handing_over
            record = await ahead.record(message_id)
            note(results, tenant, "clock 5 minutes off", message_id, record, struck=1)
            assert record is not None
            assert record.status == "sent"
        assert doubted == 3, "the other instance did not take the lease for over"


async def delivered(office: Office, message_id: str) -> None:
    """Delivers in real time."""
    for _ in range(100):
        await office.handle(message_id)
        record = await office.record(message_id)
        if record is not None and record.final:
            return
        await asyncio.sleep(0.1)


async def test_instances_with_clocks_apart_share_the_work(
    tenant: Tenant, two_offices: TwoOffices, results: Results
) -> None:
    """Slots are reserved in storage's time: neither waits for the other's five minutes."""
    async with two_offices(ahead=300) as (right, wrong):
        began = asyncio.get_running_loop().time()
        ids = [await (right, wrong)[n % 2].post() for n in range(12)]
        await asyncio.gather(*(delivered(office, i) for i in ids for office in (right, wrong)))
        for message_id in ids:
            record = await right.record(message_id)
            note(results, tenant, "clock 5 minutes off", message_id, record, struck=1)
            assert record is not None
            assert record.status == "sent"
        assert asyncio.get_running_loop().time() - began < 20


async def test_the_app_was_right_about_its_credential(tenant: Tenant) -> None:
    """What the matrix rests on: these apps do sign in with the tenant's application."""
    assert {entry.client_id for entry in tenant.entra.audit} == {APP_CLIENT_ID}
