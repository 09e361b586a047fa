"""From bytes of anybody to the messages of a batch, or to problems that name message and field.

    {"mode": "strict", "shared": {…fields of a message…}, "messages": [{…further fields…}, …]}

A message has the shared fields and its own; its own win. Bodies and files that are shared are read
once, whatever the number of messages.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import from_json

from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.content import CONTENT_FIELDS, SharedContent, assemble
from shared.messages.model import Message
from shared.messages.parsing import MAX_PROBLEMS, finite_number, list_excesses, list_problems

MAX_MESSAGES = 500
MAX_RECIPIENTS = 5000  # of all messages of a batch together

BatchMode = Literal["strict", "permissive"]

_ADDRESS_FIELDS = ("to", "cc", "bcc")


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One message of a batch, and which of its fields it takes from the shared content."""

    message: Message
    inherited: frozenset[str]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A batch as it was posted; its messages are not validated yet.

    content: the shared bodies and files. fields: the other shared fields. digest: SHA-256 of all
    of it, in hex, whatever the order of members and the blanks.
    """

    mode: BatchMode
    content: SharedContent
    fields: Mapping[str, Any]
    messages: Sequence[Mapping[str, Any]]
    digest: str

    def read(self, index: int) -> BatchItem:
        """Message number `index`. Raises InvalidMessageError: faults of its own fields are at
        /messages/{index}/…, those of shared fields at /shared/…"""
        own = self.messages[index]
        inherited = self.content.given.difference(own)
        try:
            message = assemble({**self.fields, **own}, self.content, inherited)
        except ValidationError as error:
            problems = [self.placed(p, index) for p in list_problems(error)]
            raise InvalidMessageError(problems) from None
        return BatchItem(message, inherited)

    def placed(self, problem: FieldProblem, index: int) -> FieldProblem:
        """A fault of message number `index`, with its place in the batch."""
        name = problem.field.split("/")[1] if problem.field else ""
        given = self.fields.keys() | self.content.given
        shared = name in given and name not in self.messages[index]
        place = "/shared" if shared else f"/messages/{index}"
        return replace(problem, field=place + problem.field)


def read_batch(body: bytes) -> BatchRequest:
    """Reads a batch from UTF-8 JSON.

    Raises InvalidMessageError: status 400 where the body is no JSON at all, 422 where it is no
    batch, where the shared content is not valid, and where it holds more than a batch may.
    """
    _refuse_what_json_hides(body)
    try:
        document = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        fix = "Send one JSON object in UTF-8, nested no deeper than 200 levels."
        raise _refusal("", f"It is not JSON: {error}.", fix, status=400) from None
    mode, shared, messages = _members(document)
    content = _read_content({n: v for n, v in shared.items() if n in CONTENT_FIELDS})
    fields = {name: value for name, value in shared.items() if name not in CONTENT_FIELDS}
    return BatchRequest(mode, content, fields, messages, _digest(mode, content, fields, messages))


def _members(document: Any) -> tuple[BatchMode, dict[str, Any], list[dict[str, Any]]]:
    if not isinstance(document, dict):
        raise _refusal("", "It is not an object.", "Send {shared, messages}.")
    if unknown := document.keys() - {"mode", "shared", "messages"}:
        name = "/" + min(unknown)[:80].replace("~", "~0").replace("/", "~1")
        raise _refusal(name, "There is no such field.", "A batch has mode, shared and messages.")
    mode, shared = document.get("mode", "strict"), document.get("shared", {})
    messages = document.get("messages")
    if mode not in ("strict", "permissive"):
        raise _refusal(
            "/mode", "It is neither strict nor permissive.",
            "strict refuses all where one is invalid, permissive takes the valid ones.",
        )  # fmt: skip
    if not isinstance(shared, dict):
        raise _refusal("/shared", "It is not an object.", "Give fields that the messages share.")
    if not isinstance(messages, list) or not 0 < len(messages) <= MAX_MESSAGES:
        raise _refusal(
            "/messages", f"It is not an array of 1 to {MAX_MESSAGES} messages.",
            "Send one object for each message, and more batches if there are more.",
        )  # fmt: skip
    _check_extent(shared, messages)
    return mode, shared, messages


def _check_extent(shared: dict[str, Any], messages: list[Any]) -> None:
    """Refuses what would take long to validate only to be refused."""
    problems = _excesses("/shared", shared)
    recipients = 0
    for index, message in enumerate(messages):
        place = f"/messages/{index}"
        if not isinstance(message, dict):
            fix = "Send an object with the message's own fields; {} if it has none."
            problems.append(FieldProblem(place, "It is not an object.", fix))
            continue
        problems += _excesses(place, message)
        lists = (message.get(name, shared.get(name)) for name in _ADDRESS_FIELDS)
        recipients += sum(len(entries) for entries in lists if isinstance(entries, list))
    if recipients > MAX_RECIPIENTS:
        detail = f"It has {recipients} recipients; {MAX_RECIPIENTS} are allowed in a batch."
        problems.append(FieldProblem("/messages", detail, "Send several batches."))
    if problems:
        raise InvalidMessageError(problems[:MAX_PROBLEMS])


def _excesses(place: str, fields: dict[str, Any]) -> list[FieldProblem]:
    problems = list_excesses(fields)
    if "id" in fields:
        fix = "Leave it out: ids follow from the Idempotency-Key header."
        problems.append(FieldProblem("/id", "HTTP requests have no id.", fix))
    return [replace(problem, field=place + problem.field) for problem in problems]


def _read_content(fields: dict[str, Any]) -> SharedContent:
    try:
        return SharedContent.model_validate(fields)
    except ValidationError as error:
        problems = list_problems(error)
        raise InvalidMessageError(
            [replace(problem, field=f"/shared{problem.field}") for problem in problems]
        ) from None


def _digest(
    mode: str, content: SharedContent, fields: Mapping[str, Any], messages: Sequence[Any]
) -> str:
    """Files are taken as they are decoded: no second copy of them in base64."""
    digest = hashlib.sha256()
    small = content.model_dump(include={"text", "html", "template"})
    for value in (mode, small, fields, *messages):
        digest.update(json.dumps(value, sort_keys=True).encode() + b"\n")
    for file in content.attachments:
        octets = file.content or b""
        name = file.model_dump(exclude={"content"}, exclude_defaults=True)
        digest.update(json.dumps([name, len(octets)], sort_keys=True).encode() + b"\n")
        digest.update(octets)
    return digest.hexdigest()


def _refuse_what_json_hides(body: bytes) -> None:
    """Of members given twice the last would win in silence; a number may be too large for any."""
    repeated: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs) and not repeated:
            names = Counter(name for name, _ in pairs)
            repeated.append(names.most_common(1)[0][0])
        return value

    try:
        json.loads(body, object_pairs_hook=members, parse_float=finite_number)
    except InvalidMessageError:
        raise
    except (ValueError, RecursionError):
        return  # no JSON, as its reader will say
    if repeated:
        name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in repeated[0])
        detail = f"A member is given twice in one object: {name[:80]}."
        raise _refusal("", detail, "Give each member once.")


def _refusal(field: str, detail: str, fix: str, *, status: int = 422) -> InvalidMessageError:
    return InvalidMessageError([FieldProblem(field, detail, fix)], status=status)
