"""The table `topics`: what the organisation's mail is about, in words for recipients.

A topic that is not here can be sent all the same: it is on for everybody, and its name is its own.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.errors import NotFoundError
from shared.storage.connection import StorageConnection
from shared.storage.names import TOPICS
from shared.storage.tables import Row, Table, Write
from shared.suppression import TopicPolicy

MOST_TOPICS = 1000

_PARTITION = "topic"
_BELIEVED = timedelta(seconds=30)  # a change of a topic counts then, in every process


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """default_on: whether those get it who have chosen nothing. exempt: its transactional mail goes
    to those who complained, too. names, descriptions: for recipients, by language (BCP 47).
    """

    name: str
    default_on: bool = True
    exempt: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)


class Topics:
    """Reads and writes topics. `known` and `policy` remember them for half a minute."""

    def __init__(self, storage: StorageConnection, *, clock: Callable[[], datetime]) -> None:
        self._table = Table(storage, TOPICS)
        self._clock = clock
        self._known: Mapping[str, Topic] = {}
        self._read_at: datetime | None = None

    async def list(self) -> tuple[Topic, ...]:
        """All of them, by name: one query. Raises StorageUnavailableError."""
        rows = self._table.query(_PARTITION, "", "~", limit=MOST_TOPICS)
        topics = tuple([_topic(row) async for row in rows])
        self._known = {topic.name: topic for topic in topics}
        self._read_at = self._clock()
        return topics

    async def known(self) -> Mapping[str, Topic]:
        """All of them, by name, as they were half a minute ago at most."""
        if self._read_at is None or abs(self._clock() - self._read_at) >= _BELIEVED:
            await self.list()
        return self._known

    async def policy(self, topic: str) -> TopicPolicy:
        """For `SuppressionCheck`; what is not known has no policy."""
        found = (await self.known()).get(topic)
        return TopicPolicy(found.exempt, not found.default_on) if found else TopicPolicy()

    async def get(self, name: str) -> Topic:
        """Raises NotFoundError."""
        row = await self._table.read(_PARTITION, name)
        if row is None:
            raise NotFoundError("No such topic.", fix="GET /api/topics lists them.")
        return _topic(row)

    async def put(self, topic: Topic) -> None:
        """Stores a topic, in place of what was known under its name."""
        await self._table.write(Write("put", Row(_PARTITION, topic.name, _values(topic))))
        self._read_at = None

    async def remove(self, name: str) -> None:
        """Forgets a topic; what recipients chose stays. Raises NotFoundError."""
        await self.get(name)
        await self._table.write(Write("delete", Row(_PARTITION, name)))
        self._read_at = None


def _values(topic: Topic) -> dict[str, Any]:
    return {
        "default_on": topic.default_on,
        "exempt": topic.exempt,
        "names": json.dumps(dict(topic.names), ensure_ascii=False),
        "descriptions": json.dumps(dict(topic.descriptions), ensure_ascii=False),
    }


def _topic(row: Row) -> Topic:
    values = row.values
    return Topic(
        name=row.key,
        default_on=values["default_on"],
        exempt=values["exempt"],
        names=json.loads(values["names"]),
        descriptions=json.loads(values["descriptions"]),
    )
