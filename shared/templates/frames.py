"""What goes between the app and a worker process: a length (4 octets, big-endian) and JSON."""

import json
import struct
from typing import Any

HEADER = 4


def frame(value: Any) -> bytes:
    # Halves of surrogate pairs, which JSON allows, come through as escapes.
    body = json.dumps(value).encode()
    return struct.pack(">I", len(body)) + body


def length(header: bytes) -> int:
    """The octets that follow a header."""
    number: int = struct.unpack(">I", header)[0]
    return number


def value(body: bytes) -> Any:
    return json.loads(body)
