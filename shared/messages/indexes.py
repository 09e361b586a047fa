"""The index rows of a message: what the ledger finds it by, besides its id.

Each follows from the record alone, and is written in one transaction with it: nothing is
forgotten, and no index costs a transaction of its own. All of them stand in the record's partition,
under keys that sort by time.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from shared.findings import Finding
from shared.messages.record import MessageRecord, MessageStatus
from shared.storage.tables import Row

REPLAYABLE: tuple[MessageStatus, ...] = ("failed", "unknown")

_TIME = "%Y%m%dT%H%M%S%f"
_SERVER_ID = re.compile(r"<[^<>\s]{3,300}>")  # in "250 2.0.0 OK <id> [Hostname=…]"
_MAX_DETAIL = 500
_MAX_CODES = 10
_MAX_FINDINGS = 30_000  # characters of findings as JSON: a string property holds 32 K


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An entry of the index of what is due, or of what expires."""

    message_id: str
    partition: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedEntry:
    """A message that ended `failed` or `unknown`, as its index row tells."""

    message_id: str
    status: str
    finished_at: datetime
    detail: str
    mailbox: str
    category: str
    codes: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEntry:
    """A message that is held, as its index row tells. recipients: how many it has."""

    message_id: str
    held_at: datetime
    sender: str
    category: str
    recipients: int
    findings: tuple[Finding, ...]
    key: str

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that found something, each once."""
        return tuple(sorted({finding.rule for finding in self.findings}))


def time_key(time: datetime) -> str:
    """A time as keys hold it: they sort as times do."""
    return time.astimezone(UTC).strftime(_TIME)


def index_rows(record: MessageRecord) -> dict[str, Mapping[str, Any]]:
    """The keys of the record's index rows, with what else stands in each."""
    rows: dict[str, Mapping[str, Any]] = {
        server_id_key(server_id): {"message_id": record.id} for server_id in _server_ids(record)
    }
    if record.due is not None:
        rows[f"due-{time_key(record.due)}-{record.id}"] = {}
    if record.status == "held" and record.hold is not None:
        rows[f"held-{time_key(record.hold.at)}-{record.id}"] = {
            "sender": record.sender,
            "category": record.category,
            "recipients": len(record.recipients),
            "findings": _findings_json(record.findings),
        }
    if record.expires_at is None:
        return rows
    rows[f"expire-{time_key(record.expires_at)}-{record.id}"] = {}
    if record.status in REPLAYABLE and record.finished_at is not None:
        key = f"ended-{record.status}-{time_key(record.finished_at)}-{record.id}"
        codes = dict.fromkeys(r.code for r in record.recipients if r.code)
        rows[key] = {
            "detail": record.detail[:_MAX_DETAIL],
            "mailbox": record.mailbox,
            "category": record.category,
            "codes": " ".join(list(codes)[:_MAX_CODES]),
        }
    return rows


def server_id_key(server_id: str) -> str:
    """The key of the row that tells which message got this Message-ID from the server."""
    return f"server-{hashlib.sha256(server_id.strip().encode()).hexdigest()[:40]}"


def _server_ids(record: MessageRecord) -> set[str]:
    """The Message-IDs that the server gave it in place of its own, at each of its attempts."""
    told = (_SERVER_ID.search(e.reply) for e in record.history if e.type == "sent")
    ids = {found.group() for found in told if found} | {record.server_id}
    return ids - {"", record.message_id}


def read_entry(row: Row) -> IndexEntry:
    """An entry of the indexes `due` and `expire`."""
    return IndexEntry(row.key.split("-", 2)[2], row.partition, row.key)


def _findings_json(findings: tuple[Finding, ...]) -> str:
    """As many of the findings as fit."""
    for count in range(len(findings), 0, -1):
        text = json.dumps([asdict(finding) for finding in findings[:count]], ensure_ascii=False)
        if len(text) <= _MAX_FINDINGS:
            return text
    return "[]"


def read_held(row: Row) -> HeldEntry:
    """An entry of the index `held`."""
    _, time, message_id = row.key.split("-", 2)
    return HeldEntry(
        message_id=message_id,
        held_at=datetime.strptime(time, _TIME).replace(tzinfo=UTC),
        sender=row.values["sender"],
        category=row.values["category"],
        recipients=row.values["recipients"],
        findings=tuple(Finding(**finding) for finding in json.loads(row.values["findings"])),
        key=row.key,
    )


def read_ended(row: Row) -> EndedEntry:
    """An entry of the index `ended`."""
    _, status, time, message_id = row.key.split("-", 3)
    return EndedEntry(
        message_id=message_id,
        status=status,
        finished_at=datetime.strptime(time, _TIME).replace(tzinfo=UTC),
        detail=row.values["detail"],
        mailbox=row.values["mailbox"],
        category=row.values["category"],
        codes=tuple(row.values["codes"].split()),
        key=row.key,
    )
