"""`/api/service-changes`: what has changed at the submission service."""

from typing import TYPE_CHECKING

from shared.api.answers import Answer, answer, json_answer

if TYPE_CHECKING:
    from shared.currency.watch import ServiceWatch


class ServiceChangesApi:
    """Shows what the daily look at the service found."""

    def __init__(self, watch: "ServiceWatch") -> None:
        self._watch = watch

    async def get(self) -> Answer:
        """200 with the last 100 changes, newest first, as CloudEvents."""
        return await answer(self._get)

    async def _get(self) -> Answer:
        return json_answer(200, {"changes": await self._watch.recent()})
