"""Graph's refusals: learn.microsoft.com/graph/errors."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any


class GraphError(Exception):
    """A refusal: an HTTP status, a code, words for people, further headers."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def body(self, now: datetime) -> dict[str, Any]:
        request_id = str(uuid.uuid4())
        inner = {
            "date": now.strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": request_id,
            "client-request-id": request_id,
        }
        return {"error": {"code": self.code, "message": self.message, "innerError": inner}}


def bad_request(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)


def item_not_found() -> GraphError:
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def state_gone(location: str) -> GraphError:
    """The token of a delta link is not known any more."""
    return GraphError(
        410,
        "SyncStateNotFound",
        "The sync state generation is not found; synchronize again.",
        {"Location": location},
    )


# What a fault that is switched on looks like.
OUTAGES = {
    401: ("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
    403: ("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    410: ("SyncStateNotFound", "The sync state generation is not found; synchronize again."),
    429: ("ApplicationThrottled", "Application is over its MailboxConcurrency limit."),
    503: ("serviceNotAvailable", "The service is temporarily unavailable."),
}


def outage(status: int, retry_after: int | None) -> GraphError:
    code, message = OUTAGES.get(status, ("generalException", "Something went wrong."))
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return GraphError(status, code, message, headers)
