"""Megabytes of anything are refused soon: nobody keeps a process busy by one request."""

import json
import time
from collections.abc import Callable

import pytest

from tests.messages.drafts import draft, refusal

SIZE = 10_000_000
FEW = SIZE // 5  # for more of the same kind
LONGEST = 2.5  # seconds of the processor; a few tenths, and half a minute if each fault is noted


def filled(field: str, item: str, size: int = FEW) -> bytes:
    """A draft whose `field` is a list of as many items as there is room for."""
    items = ",".join([item] * (size // (len(item) + 1)))
    return (json.dumps(draft(**{field: None}))[:-1] + f', "{field}": [{items}]}}').encode()


def members(count: int, value: str = "1") -> str:
    return ",".join(f'"k{i}":{value}' for i in range(count))


def within(prefix: str, inner: str, suffix: str) -> bytes:
    return (json.dumps(draft())[:-1] + prefix + inner + suffix).encode()


def unknown(count: int) -> str:
    return f"{{{members(count)}}}"


BODIES: dict[str, Callable[[], bytes]] = {
    "open arrays": lambda: b"[" * SIZE,
    "closed arrays": lambda: b"[" * (SIZE // 2) + b"]" * (SIZE // 2),
    "open objects": lambda: b'{"a":' * (SIZE // 5),
    "closed objects": lambda: b'{"a":' * (SIZE // 6) + b"1" + b"}" * (SIZE // 6),
    "arrays within a field": lambda: within(', "tags": ', "[" * SIZE, "}"),
    "objects within template data": lambda: within(
        ', "template": {"name": "x", "data": ', '{"a":' * (SIZE // 6), "}}"
    ),
    "arrays that name a content_blob": lambda: b"[" * SIZE + b'"content_blob"',
    "unknown members": lambda: unknown(400_000).encode(),
    "unknown members of an attachment": lambda: within(
        ', "attachments": [{', members(160_000), "}]}"
    ),
    "header fields": lambda: within(', "headers": {', members(160_000), "}}"),
    "numbers for recipients": lambda: filled("to", "1", SIZE),
    "recipients": lambda: filled("to", '{"email":"ana@example.com"}'),
    "empty attachments": lambda: filled("attachments", "{}"),
    "one long unknown list": lambda: b'{"x":[' + b"1," * (FEW // 2) + b"1]}",
    "a long subject": lambda: json.dumps(draft(subject="x" * SIZE)).encode(),
    "a long address": lambda: json.dumps(draft(to=[{"email": "x" * SIZE}])).encode(),
    "a long id": lambda: json.dumps(draft(id="x" * SIZE)).encode(),
    "a long file name": lambda: json.dumps(
        draft(attachments=[{"name": "x" * SIZE, "content": ""}])
    ).encode(),
    "a long content type": lambda: json.dumps(
        draft(attachments=[{"name": "x", "content": "", "content_type": "a/" + "b" * SIZE}])
    ).encode(),
    "bad base64": lambda: json.dumps(
        draft(attachments=[{"name": "x", "content": "!" * SIZE}])
    ).encode(),
    "a long number": lambda: b'{"subject":' + b"1" * SIZE + b"}",
    "a long member name": lambda: b'{"' + b"x" * SIZE + b'":1}',
    "controls in the text": lambda: json.dumps(draft(text="x\x01" * (SIZE // 7))).encode(),
    "a time": lambda: json.dumps(draft(send_at="2" * SIZE)).encode(),
}


@pytest.mark.parametrize("body", BODIES)
def test_megabytes_are_refused_soon(body: str) -> None:
    octets = BODIES[body]()
    assert len(octets) > FEW * 0.8
    started = time.process_time()
    refused = refusal(octets)
    assert time.process_time() - started < LONGEST
    assert len(str(refused)) < 50_000
