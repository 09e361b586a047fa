"""What SpamAssassin says: a client of its spamd (the SpamAssassin Network Protocol, SPAMC/1.5).

A spamd that does not answer never stops a message: that is a finding of its own.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.composing import compose
from shared.errors import ComposeError, MailroomError
from shared.findings import Finding
from shared.lint.document import cut
from shared.lint.policy import LintPolicy
from shared.lint.report import Report
from shared.messages.model import Message

MAX_MESSAGE = 500_000  # octets; spamc's own limit, over which spam is rare
_MAX_ANSWER = 64 * 1024
_TIMEOUT = 10.0  # seconds, for all of one question
_STATUS = re.compile(rb"SPAMD/[\d.]{1,10} (\d{1,5}) ?([^\r\n]{0,200})\r?\n")
_SCORE = re.compile(
    rb"^Spam: ?(?:True|False|Yes|No) ?; ?(-?\d{1,6}(?:\.\d{1,6})?) ?/ ?(-?\d{1,6}(?:\.\d{1,6})?)",
    re.IGNORECASE | re.MULTILINE,
)
_NO_ID = "0" * 32  # as long as those that are sent: short ones count as spam
_TESTS = 10  # that a finding names


class SpamdError(MailroomError):
    """spamd did not answer, or not as its protocol says."""


@dataclass(frozen=True, slots=True)
class SpamScore:
    """A score, the threshold from which spamd calls it spam, and the tests that made it."""

    score: float
    threshold: float
    tests: tuple[str, ...] = ()


class Spamd:
    """One spamd. `address` is `host:port`, `timeout` in seconds for a whole question."""

    def __init__(self, address: str, *, timeout: float = _TIMEOUT) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._timeout = timeout

    async def score(self, content: bytes) -> SpamScore:
        """The score of a mail. Raises SpamdError."""
        if len(content) > MAX_MESSAGE:
            raise SpamdError(f"The mail has {len(content):,} octets; {MAX_MESSAGE:,} are scored.")
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._ask(content)
        except TimeoutError:
            raise SpamdError(f"spamd did not answer within {self._timeout:g} seconds.") from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise SpamdError(f"spamd cannot be reached ({type(error).__name__}).") from error
        return read_answer(answer)

    async def _ask(self, content: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            question = f"SYMBOLS SPAMC/1.5\r\nContent-length: {len(content)}\r\n\r\n"
            writer.write(question.encode("ascii") + content)
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            answer = b""
            while len(answer) <= _MAX_ANSWER and (piece := await reader.read(_MAX_ANSWER)):
                answer += piece
            return answer
        finally:
            writer.close()


def read_answer(answer: bytes) -> SpamScore:
    """The score in an answer to SYMBOLS. Raises SpamdError."""
    status = _STATUS.match(answer)
    if status is None:
        raise SpamdError("What answers is no spamd.")
    if status.group(1) != b"0":
        said = cut(status.group(2).decode("ascii", "replace"))
        raise SpamdError(f"spamd refused the question: {said}.")
    head, _, body = answer.partition(b"\r\n\r\n")
    score = _SCORE.search(head)
    if score is None:
        raise SpamdError("spamd's answer holds no score.")
    names = re.findall(r"[A-Za-z0-9_]{1,100}", body.decode("ascii", "replace")[:_MAX_ANSWER])
    return SpamScore(float(score.group(1)), float(score.group(2)), tuple(names))


async def lint_spam(
    message: Message, *, policy: LintPolicy, spamd: Spamd, clock: Callable[[], datetime]
) -> list[Finding]:
    """What SpamAssassin has against the message: one finding at most. Never raises."""
    report = Report(policy)
    if policy.action("spam-score") == "off":
        return []
    try:
        # Recipients see no bcc, and spamd need not know them.
        seen = message.model_copy(update={"bcc": ()})
        domain = message.sender.email.rpartition("@")[2]
        mail = compose(seen, message_id=f"<{_NO_ID}@{domain}>", date=clock())
        found = await spamd.score(mail.content)
    except (SpamdError, ComposeError) as error:
        report.add("spam-unchecked", "/", error.detail)
        return report.findings()
    if found.score >= found.threshold:
        tests = ", ".join(cut(name) for name in found.tests[:_TESTS]) or "none named"
        what = f"It scores {found.score:g}, and {found.threshold:g} is spam ({tests})."
        report.add("spam-score", "/", what)
    return report.findings()
