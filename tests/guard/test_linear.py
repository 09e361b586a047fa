"""Hostile input costs what its length costs: no piece of text, repeated, makes the guard slow."""

import time

import pytest

from shared.guard.inspection import inspect
from tests.guard.inspecting import EVERYTHING, file, message

BEGIN = "-----BEGIN PRIVATE {}-----".format("KEY")

# What detectors and the reader of HTML look for, as beginnings without an end.
PIECES = [
    "4111 1111 1111 1111 ", "order 4111111111111111 ", "4-", "4", "123-45-6789 ", "DE89 ", "eyJ",
    "eyJaaaaaaaa.", "ghp_", "Q~", "AZDO", "T3BlbkFJ", "password ", "password is a b c d ",
    "password:", "pwd=", "://", "a://a:a@", BEGIN,
    BEGIN + "A" * 40, "PuTTY-User-Key-File-2: ssh-rsa ", "LS0tLS1CRUdJTi",
    "MII", "?sig=" + "a" * 44 + "&sv=", "AccountKey=", "server=;password=aaa", "<", "<a ",
    '<a b="', "<!--", "<!", "</", "<style>", "<td>4111", "&", "&#1", "&lt;", "%41", "\n", " ",
    "authorization: bearer ", "api key ", "\u200b4", "\uff14", "\"'", '"kty" "d":"', "İ",
]  # fmt: skip

_GROWTH = 8
# Linear growth is 8-fold, quadratic 64-fold; a loaded machine is allowed its share.
_MOST = 30
_SHORT = 8_000


def cost(piece: str, size: int) -> float:
    """Seconds of this process that it takes to inspect the piece, repeated, in three places."""
    text = (piece * (size // len(piece) + 1))[:size]
    whole = message(text=text, html=text, attachments=(file("a.csv", text.encode(), "text/csv"),))
    started = time.process_time()
    inspect(whole, policy=EVERYTHING)
    return time.process_time() - started


@pytest.mark.parametrize("piece", PIECES)
def test_cost_grows_with_length(piece: str) -> None:
    for _ in range(3):
        short = max(cost(piece, _SHORT), 0.002)
        if cost(piece, _SHORT * _GROWTH) < _MOST * short:
            return
    pytest.fail("the cost grows faster than the length")
