"""`/api/quota`: what may still be sent."""

from collections.abc import Sequence

from shared.api.answers import Answer, answer, json_answer
from shared.quota import Governor


class QuotaApi:
    """Shows the headroom of the mailboxes and of the tenant."""

    def __init__(self, governor: Governor, mailboxes: Sequence[str]) -> None:
        self._governor = governor
        self._mailboxes = mailboxes

    async def get(self) -> Answer:
        """200 with each mailbox's slots, connections, recipients and pause, and the tenant's."""
        return await answer(self._get)

    async def _get(self) -> Answer:
        return json_answer(200, await self._governor.view(self._mailboxes))
