"""What Azurite's access log says about storage transactions.

The log names a method and a target for each request, in Apache's common format, and all three
services write to the same stream; the operation follows from the two. Names are those of
Microsoft's REST reference (learn.microsoft.com/en-us/rest/api/storageservices).
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

REQUEST = re.compile(r'"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/[\d.]+" \d{3} ')

QUEUE_OPERATIONS = {
    ("PUT", ""): "Create Queue",
    ("DELETE", ""): "Delete Queue",
    ("GET", "metadata"): "Get Queue Metadata",
    ("HEAD", "metadata"): "Get Queue Metadata",
    ("PUT", "metadata"): "Set Queue Metadata",
}
MESSAGES_OPERATIONS = {
    "POST": "Put Message",
    "GET": "Get Messages",
    "DELETE": "Clear Messages",
}
MESSAGE_OPERATIONS = {"PUT": "Update Message", "DELETE": "Delete Message"}
TABLE_OPERATIONS = {"GET": "Query Tables", "POST": "Create Table", "DELETE": "Delete Table"}
ENTITY_OPERATIONS = {
    "GET": "Query Entities",
    "PUT": "Update Entity",
    "PATCH": "Merge Entity",
    "MERGE": "Merge Entity",
    "DELETE": "Delete Entity",
}
CONTAINER_OPERATIONS = {
    ("PUT", ""): "Create Container",
    ("DELETE", ""): "Delete Container",
    ("GET", ""): "Get Container Properties",
    ("HEAD", ""): "Get Container Properties",
    ("GET", "list"): "List Blobs",
}
BLOB_OPERATIONS = {
    ("PUT", ""): "Put Blob",
    ("GET", ""): "Get Blob",
    ("HEAD", ""): "Get Blob Properties",
    ("DELETE", ""): "Delete Blob",
    ("PUT", "block"): "Put Block",
    ("PUT", "blocklist"): "Put Block List",
    ("PUT", "lease"): "Lease Blob",
    ("PUT", "metadata"): "Set Blob Metadata",
}


class Operation(NamedTuple):
    """One kind of storage transaction, such as ``queue`` and ``Put Message``."""

    service: str
    """``blob``, ``queue``, ``table``, or ``account`` where the log does not tell which."""
    name: str


def operations(lines: Iterable[str]) -> Iterator[Operation]:
    """The operation of each request in the log, in order; other lines are passed over."""
    for line in lines:
        if found := REQUEST.search(line):
            yield operation(found["method"], found["target"])


def operation(method: str, target: str) -> Operation:
    """What a request does. ``target`` is ``/<account>/…`` with its query.

    A blob named ``messages``, or under ``messages/``, cannot be told from a queue's messages
    where the method fits both: it counts as the queue's.
    """
    parts = urlsplit(target)
    query = {name.lower(): values[0].lower() for name, values in parse_qs(parts.query).items()}
    resource = [unquote(part) for part in parts.path.split("/")[2:] if part]
    comp = query.get("comp", "")
    if not resource:
        return Operation("account", f"{method.title()} {comp.title()}".strip())
    if len(resource) == 1 and (table := _table_operation(method, resource[0])):
        return Operation("table", table)
    if query.get("restype") == "container":
        return Operation("blob", _named(CONTAINER_OPERATIONS, method, comp, "Container"))
    if len(resource) == 1:
        return Operation("queue", _named(QUEUE_OPERATIONS, method, comp, "Queue"))
    if message := _message_operation(method, resource[1:], query):
        return Operation("queue", message)
    return Operation("blob", _named(BLOB_OPERATIONS, method, comp, "Blob"))


def _table_operation(method: str, resource: str) -> str | None:
    """Queues and containers are lower case, so ``Tables`` is the table service's alone."""
    name, parenthesis, _ = resource.partition("(")
    if name == "$batch":
        return "Entity Group Transaction"
    if name == "Tables":
        return TABLE_OPERATIONS.get(method, f"{method.title()} Table")
    if parenthesis:
        return ENTITY_OPERATIONS.get(method, f"{method.title()} Entity")
    return "Insert Entity" if method == "POST" else None


def _message_operation(method: str, resource: list[str], query: dict[str, str]) -> str | None:
    match resource:
        case ["messages"]:
            peek = method == "GET" and query.get("peekonly") == "true"
            return "Peek Messages" if peek else MESSAGES_OPERATIONS.get(method)
        case ["messages", _]:
            return MESSAGE_OPERATIONS.get(method)
        case _:
            return None


def _named(names: dict[tuple[str, str], str], method: str, comp: str, thing: str) -> str:
    return names.get((method, comp)) or f"{method.title()} {thing} {comp.title()}".strip()
