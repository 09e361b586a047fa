"""Preparation for tests of what comes after it: messages stay as they were posted."""

from collections.abc import Mapping

from shared.errors import FieldProblem
from shared.messages.model import Message
from shared.messages.prepared import Prepared


class AsPosted:
    """Changes nothing, finds nothing."""

    def faults(self, message: Message) -> list[FieldProblem]:
        return []

    def is_costly(self, message: Message) -> bool:
        return False

    async def prepare(self, message: Message, message_id: str) -> Prepared:
        return Prepared(message)

    async def prepare_batch(
        self, messages: Mapping[int, Message], ids: Mapping[int, str], batch_id: str
    ) -> Mapping[int, Prepared]:
        return {index: Prepared(message) for index, message in messages.items()}
