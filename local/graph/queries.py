"""What a request may ask for: query options and preferences, checked as documented.

learn.microsoft.com/graph/query-parameters, learn.microsoft.com/graph/api/message-delta,
learn.microsoft.com/graph/api/user-list-messages, learn.microsoft.com/graph/outlook-immutable-id
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from .errors import GraphError, bad_request

MESSAGE_PROPERTIES = frozenset(
    {
        *("id", "receivedDateTime", "sentDateTime", "subject", "internetMessageId", "isRead"),
        *("from", "sender", "parentFolderId", "hasAttachments", "toRecipients"),
    }
)
FOLDER_PROPERTIES = frozenset({"id", "displayName", "parentFolderId", "totalItemCount"})
_MOST = 1000
_DEFAULT_PAGE = 10
_CONDITION = re.compile(
    r"receivedDateTime (ge|gt|le|lt) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?Z)"
)

_BY_MESSAGE_ID = re.compile(r"internetMessageId eq '((?:[^']|'')+)'")


@dataclass(frozen=True, slots=True)
class Preferences:
    """The Prefer header: `page_size` mails in a delta page, ids that do not change."""

    immutable: bool = False
    page_size: int = _DEFAULT_PAGE


def read_preferences(header: str) -> Preferences:
    """The Prefer header of a request, "" if there is none. Refuses what is not documented."""
    immutable, size = False, _DEFAULT_PAGE
    for item in filter(None, (part.strip() for part in header.split(","))):
        name, _, value = item.partition("=")
        if item == 'IdType="ImmutableId"':
            immutable = True
        elif name == "odata.maxpagesize" and value.isdigit() and 0 < int(value) <= _MOST:
            size = int(value)
        else:
            raise bad_request(f"The preference {item} is not supported here.")
    return Preferences(immutable, size)


@dataclass(frozen=True, slots=True)
class Window:
    """The times that `$filter` lets through."""

    conditions: tuple[tuple[str, datetime], ...] = ()

    def holds(self, moment: datetime) -> bool:
        return all(
            {"ge": moment >= at, "gt": moment > at, "le": moment <= at, "lt": moment < at}[how]
            for how, at in self.conditions
        )


def read_filter(text: str | None, *, operators: Collection[str]) -> Window:
    """A filter by receivedDateTime; conditions are joined by `and`."""
    if text is None:
        return Window()
    conditions = []
    for part in text.split(" and "):
        match = _CONDITION.fullmatch(part)
        if match is None or match[1] not in operators:
            raise GraphError(
                400, "ErrorInvalidRestriction", f"Invalid or unsupported filter clause: {part}"
            )
        conditions.append((match[1], datetime.fromisoformat(match[2])))
    return Window(tuple(conditions))


def read_message_id(text: str | None) -> str | None:
    """The Message-ID of a filter by internetMessageId; None for any other filter."""
    match = _BY_MESSAGE_ID.fullmatch(text or "")
    return match[1].replace("''", "'") if match else None


def read_select(text: str | None, known: Collection[str]) -> tuple[str, ...]:
    """The properties asked for; () is all. `id` is always among them."""
    if text is None:
        return ()
    names = text.split(",")
    for name in names:
        if name not in known:
            raise GraphError(
                400, "RequestBroker--ParseUri", f"Could not find a property named '{name}'."
            )
    return tuple(dict.fromkeys(["id", *names]))


def read_number(text: str | None, *, low: int, default: int) -> int:
    if text is None:
        return default
    if not text.isdigit() or not low <= int(text) <= _MOST:
        raise bad_request(f"The value {text} is not between {low} and {_MOST}.")
    return int(text)


def refuse_other_options(query: Mapping[str, str], known: Collection[str]) -> None:
    """Query options are spelled with their `$`, and only those of the operation are known."""
    for name in query:
        if name not in known:
            raise bad_request(f"The query option {name} is not supported here.")
