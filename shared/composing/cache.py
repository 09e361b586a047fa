"""What the messages of a batch have in common is encoded once."""

import io
import threading

from shared.composing.transfer import TransferEncoding, write_encoded

# 32 MiB hold an attachment of 13 MB beside its encoding: less than one message of the largest size.
_DEFAULT_LIMIT = 32 * 1024 * 1024

# Less than this is encoded in some 30 microseconds: not worth a place.
_SMALLEST = 16 * 1024


class PartsCache:
    """Encoded bodies and files, found by their content; those used last within `limit` octets.

    The key is the content itself. A lookup costs its hash, which Python keeps with the object (0.3
    ms for 1 MB, a seventh of its encoding), and then a comparison, so that two contents can never
    be taken for each other. Safe in threads.
    """

    def __init__(self, limit: int = _DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: dict[tuple[bytes, TransferEncoding], bytes] = {}
        self._octets = 0

    def __repr__(self) -> str:
        return f"PartsCache({len(self._kept)} parts, {self._octets} octets)"

    @property
    def octets(self) -> int:
        """What is held, contents and their encodings."""
        return self._octets

    def encode(self, data: bytes, encoding: TransferEncoding) -> bytes:
        """What `write_encoded` writes."""
        if encoding == "7bit":
            return data
        if len(data) < _SMALLEST:
            return _encode(data, encoding)
        key = data, encoding
        with self._lock:
            found = self._kept.pop(key, None)
            if found is not None:
                self._kept[key] = found  # the newest again
                return found
        encoded = _encode(data, encoding)
        self._keep(key, encoded)
        return encoded

    def _keep(self, key: tuple[bytes, TransferEncoding], encoded: bytes) -> None:
        size = len(key[0]) + len(encoded)
        if size > self._limit:
            return
        with self._lock:
            if key in self._kept:  # another thread was faster
                return
            while self._octets + size > self._limit:
                oldest = next(iter(self._kept))
                self._octets -= len(oldest[0]) + len(self._kept.pop(oldest))
            self._kept[key] = encoded
            self._octets += size


def _encode(data: bytes, encoding: TransferEncoding) -> bytes:
    out = io.BytesIO()
    write_encoded(data, encoding, out)
    return out.getvalue()
