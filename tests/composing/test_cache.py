"""The parts cache: the same octets, encoded once, in bounded memory."""

import threading
from datetime import UTC, datetime

import pytest

from shared.composing import PartsCache, compose
from shared.composing.transfer import TransferEncoding
from shared.messages.model import Address, Attachment, Message

KB = 1024
ENCODINGS: list[TransferEncoding] = ["base64", "quoted-printable"]


def newsletter(number: int, file: bytes, text: str) -> Message:
    return Message(
        sender=Address(email="billing@contoso.test"),
        to=(Address(email=f"reader-{number}@example.com"),),
        subject=f"News {number}",
        text="Hello",
        html=text,
        attachments=(Attachment(name="report.pdf", content=file),),
    )


def test_a_batch_is_composed_as_without_a_cache_and_its_parts_are_kept_once() -> None:
    cache = PartsCache()
    file, html = bytes(range(256)) * 400, "<p>Grüße an alle Leser</p>\n" * 2000
    for number in range(5):
        message = newsletter(number, bytes(bytearray(file)), html)
        about = {
            "message_id": f"<{number}@contoso.test>",
            "date": datetime(2026, 12, 1, tzinfo=UTC),
        }
        with_cache = compose(message, **about, parts=cache)  # type: ignore[arg-type]
        assert with_cache == compose(message, **about)  # type: ignore[arg-type]
        if number == 0:
            once = cache.octets
    assert cache.octets == once
    assert len(file) * 2.3 < once < (len(file) + len(html.encode())) * 2.5


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_equal_contents_share_one_encoding(encoding: TransferEncoding) -> None:
    cache = PartsCache()
    first = cache.encode(b"\xff " * 20 * KB, encoding)
    assert cache.encode(b"\xff " * (20 * KB), encoding) is first
    assert cache.encode(b"\xff " * 20 * KB + b"x", encoding) != first
    other = ENCODINGS[encoding == "base64"]
    assert cache.encode(b"\xff " * 20 * KB, other) != first


def test_what_is_small_or_needs_no_encoding_takes_no_place() -> None:
    cache = PartsCache()
    assert cache.encode(b"abc", "base64") == b"YWJj\r\n"
    plain = b"x\r\n" * 20 * KB
    assert cache.encode(plain, "7bit") is plain
    assert cache.octets == 0


def test_the_parts_used_last_stay_within_the_limit() -> None:
    cache = PartsCache(limit=500 * KB)
    files = [bytes([number]) * 64 * KB for number in range(4)]
    kept = [cache.encode(file, "base64") for file in files[:3]]
    assert 400 * KB < cache.octets <= 500 * KB
    assert cache.encode(files[0], "base64") is kept[0]  # the newest again
    cache.encode(files[3], "base64")
    assert cache.encode(files[0], "base64") is kept[0]
    assert cache.encode(files[1], "base64") is not kept[1]
    assert cache.octets <= 500 * KB
    before = cache.octets
    huge = bytes(300 * KB)
    assert cache.encode(huge, "base64") is not cache.encode(huge, "base64")
    assert cache.octets == before


def test_it_tells_nothing_of_its_contents() -> None:
    cache = PartsCache()
    cache.encode(b"secret" * 10 * KB, "base64")
    assert "secret" not in repr(cache)
    assert "1 parts" in repr(cache)


def test_threads_may_use_it_together() -> None:
    cache = PartsCache(limit=200 * KB)
    files = [bytes([number]) * 32 * KB for number in range(6)]
    expected = [PartsCache(0).encode(file, "base64") for file in files]
    wrong: list[bytes] = []

    def work() -> None:
        for file, encoded in list(zip(files, expected, strict=True)) * 20:
            wrong.extend([file] if cache.encode(file, "base64") != encoded else [])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.octets <= 200 * KB
