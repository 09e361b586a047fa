"""`/api/messages`: a message is posted, and asked about."""

from collections.abc import Mapping

from shared.api.answers import Answer, answer, json_answer
from shared.api.requests import check_headers
from shared.api.views import view_accepted, view_message
from shared.callers.caller import calling_application
from shared.messages.acceptance import Acceptance
from shared.messages.cancellation import find_record
from shared.messages.identity import is_message_id, read_idempotency_key
from shared.messages.ledger import Ledger
from shared.messages.timeline import Timeline


class MessagesApi:
    """Posts and shows messages. Header names are expected in lower case."""

    def __init__(
        self, *, acceptance: Acceptance, ledger: Ledger, timeline: Timeline, body_limit: int
    ) -> None:
        self._acceptance = acceptance
        self._ledger = ledger
        self._timeline = timeline
        self._body_limit = body_limit

    async def post(self, body: bytes, headers: Mapping[str, str], url: str) -> Answer:
        """202 with id, status and status_url, or a problem. `url` is the request's own."""
        return await answer(lambda: self._post(body, headers, url))

    async def _post(self, body: bytes, headers: Mapping[str, str], url: str) -> Answer:
        check_headers(headers, len(body), self._body_limit)
        key = read_idempotency_key(headers.get("idempotency-key"))
        accepted = await self._acceptance.accept(body, key=key, caller=calling_application())
        status_url = f"{url.partition('?')[0].rstrip('/')}/{accepted.id}"
        fields = {"Location": status_url}
        if accepted.repeated:
            fields["Idempotency-Replayed"] = "true"
        return json_answer(202, view_accepted(accepted, status_url), headers=fields)

    async def get(self, message_id: str) -> Answer:
        """200 with the message's view, or 404."""
        return await answer(lambda: self._get(message_id))

    async def _get(self, message_id: str) -> Answer:
        # The timeline first: what stands there has been done to the record already.
        timeline = await self._timeline.read(message_id) if is_message_id(message_id) else []
        record = await find_record(self._ledger, message_id)
        return json_answer(200, view_message(record, timeline))
