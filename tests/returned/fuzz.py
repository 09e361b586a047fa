"""`python -m tests.returned.fuzz [SECONDS]`: mutated mails, until the time is over.

The mails are made up, and those of the labelled corpus where it is there. No exception, no more
than a second a megabyte, nothing unbounded, and memory that does not grow.
"""

import gc
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from shared.returned import parse_report
from tests.returned.dialects import DIALECTS
from tests.returned.mails import mail, report

CORPUS = Path(__file__).parents[3] / "shared" / "bounces"
TOKENS = [
    b"\r", b"\n", b"\r\n", b"\n\n", b"\x00", b"\xff", b"\x1b$B", b"=?", b"?=", b"=?utf-8?b?", b"<", b">", b"@", b'"', b":", b";", b"--", b"  ",
    b"\n--b1\n", b"\n--b1--\n", b"Content-Type: multipart/mixed; boundary=b1\n\n", b"Content-Type: message/rfc822\n\n",
    b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: quoted-printable\n", b"charset=iso-2022-jp", b"charset=utf-16",
    b"\nFinal-Recipient: rfc822; a@b.test\n", b"Action: failed\n", b"Status: 5.1.1\n", b"Feedback-Type: abuse\n", b"550 5.1.1 ",
    b"Received: from a by b for <c@d.test>;\n", b"Subject: Fwd: ", b'{"notificationType":"Bounce"', b"Date: ", b"9" * 40, b"<style>", b"&#x110000;",
]  # fmt: skip
SLOWEST = 1.0  # seconds a megabyte, and as much as a mail of any size may take
GROWTH = 50_000  # bytes that a hundred mails may leave behind


@cache
def seeds() -> list[bytes]:
    """The mails that are mutated."""
    made = [mail(d.text, subject=d.subject, sender=d.sender) for d in DIALECTS]
    fields = "Final-Recipient: rfc822; ann@fabrikam.test\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no"
    made.append(report(fields))
    made.append(report(fields).replace(b"delivery-status", b"feedback-report"))
    return made + [path.read_bytes() for path in sorted(CORPUS.glob("*/*.eml"))]


def _cut(content: bytes, at: int, size: int, _: bytes) -> bytes:
    return content[:at] + content[at + size :]


def _insert(content: bytes, at: int, _: int, token: bytes) -> bytes:
    return content[:at] + token + content[at:]


def _overwrite(content: bytes, at: int, _: int, token: bytes) -> bytes:
    return content[:at] + token + content[at + len(token) :]


def _repeat(content: bytes, at: int, size: int, _: bytes) -> bytes:
    piece = content[at : at + size] or b"\n"
    return content[:at] + piece * min(2000, 1 + 300_000 // len(piece)) + content[at:]


def _repeat_token(content: bytes, at: int, size: int, token: bytes) -> bytes:
    return content[:at] + token * size + content[at:]


def _move(content: bytes, at: int, size: int, _: bytes) -> bytes:
    return content[at : at + size] + content[:at] + content[at + size :]


def _end(content: bytes, at: int, _size: int, _: bytes) -> bytes:
    return content[:at]


def _newlines(content: bytes, at: int, _size: int, _: bytes) -> bytes:
    return content[:at] + content[at:].replace(b"\n", b"\r")


MUTATIONS: list[Callable[[bytes, int, int, bytes], bytes]] = [
    _cut, _insert, _insert, _overwrite, _overwrite, _repeat, _repeat_token, _move, _end, _newlines,
]  # fmt: skip

steps = st.tuples(
    st.sampled_from(MUTATIONS),
    st.floats(0, 1),
    st.integers(1, 5000),
    st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=8),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A mail after a few accidents, now and then two mails in one."""
    content = draw(st.sampled_from(seeds()))
    if draw(st.integers(0, 5)) == 0:
        other = draw(st.sampled_from(seeds()))
        content = content[: len(content) // 2] + other[len(other) // 3 :]
    for mutation, where, size, token in draw(st.lists(steps, min_size=1, max_size=6)):
        content = mutation(content, int(where * len(content)), size, token)[:3_000_000]
    return content


def check(content: bytes) -> None:
    """What holds for every input."""
    started = time.process_time()
    told = parse_report(content)
    seconds = time.process_time() - started
    assert seconds <= SLOWEST * max(1.0, len(content) / 1e6), f"{seconds:.1f} s for {len(content)}"
    assert len(told.recipients) <= 500
    assert all(len(r.address) <= 1100 and len(r.diagnostic) <= 1000 for r in told.recipients)
    assert not any(r.hard and not r.permanent for r in told.recipients)
    assert len(told.text) <= 2000
    assert told == parse_report(content)


def left_behind(mails: list[bytes]) -> int:
    """Bytes that are still held after the mails were read a second time."""
    for content in mails:
        parse_report(content)
    tracemalloc.start()
    try:
        for content in mails:
            parse_report(content)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def main(seconds: float) -> int:
    ends = time.monotonic() + seconds
    count = 0
    last: deque[bytes] = deque(maxlen=100)

    def count_and_check(content: bytes) -> None:
        nonlocal count
        count += 1
        last.append(content)
        check(content)

    run = 0
    while time.monotonic() < ends:
        given_mails = given(mutated())(count_and_check)
        limits = settings(
            max_examples=2000, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        seed(run)(limits(given_mails))()
        run += 1
        left = left_behind(list(last))
        print(f"{count} mails, {left} bytes left behind by the last {len(last)}", flush=True)
        assert left < GROWTH, "memory grows"
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 600))
