"""Why a recipient does not get the message: one vocabulary for every server's words."""

import re
from dataclasses import dataclass

from shared.events import RejectReason
from shared.returned.grammar import spoken_reason
from shared.returned.hints import HINTS
from shared.returned.phrases import FIRST, PLAIN, Phrases
from shared.returned.report import Reason

_PERMANENT = 500  # reply codes from here on
_GAP = 60  # characters that `*` of a phrase may stand for
_SHORT = 4  # characters of a phrase that counts as a whole word alone
_MOST = 4000  # characters of a text that are looked at

# The address itself is dead: whoever sends should stop.
HARD: frozenset[Reason] = frozenset({"user-unknown", "host-unknown", "moved", "no-mail"})

# What phrases tell of these is checked.
_CHECKED: frozenset[Reason] = frozenset({"user-unknown", "host-unknown", "blocked", "spam"})

# Beginnings of words for senders and groups, without which nobody but the recipient is meant.
_OTHERS = (
    "sender", "from", "path", "originator", "absend", "exp", "remit", "remet", "mittent", "nadaw",
    "отправ", "发件", "寄件", "送信", "差出", "보낸", "grou", "grup", "grop", "groep", "list",
    "груп", "群", "グループ", "그룹", "skupin", "csoport", "ryhm", "topluluk",
)  # fmt: skip

# Trying again later may well help, whatever the class of the code.
_TEMPORARY: frozenset[Reason] = frozenset({"rate-limited", "network", "expired"})

# RFC 3463 and its registry (https://www.iana.org/assignments/smtp-enhanced-status-codes), and
# https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online
_BY_STATUS: dict[str, Reason] = {
    "1.1": "user-unknown", "1.2": "host-unknown", "1.3": "user-unknown",
    "1.4": "user-unknown", "1.5": "user-unknown", "1.6": "moved", "1.7": "rejected",
    "1.8": "rejected", "1.9": "system", "1.10": "user-unknown",
    "1.20": "user-unknown", "1.351": "user-unknown",
    "2.1": "suspended", "2.2": "mailbox-full", "2.3": "too-large", "2.4": "list",
    "2.121": "rate-limited", "2.122": "rate-limited",
    "3.1": "system", "3.2": "system", "3.3": "system", "3.4": "too-large", "3.5": "system",
    "4.0": "network", "4.1": "network", "4.2": "network", "4.3": "network", "4.4": "host-unknown",
    "4.5": "rate-limited", "4.6": "mail-loop", "4.7": "expired", "4.14": "mail-loop",
    "4.300": "expired", "4.310": "host-unknown", "4.316": "expired", "4.317": "network",
    "5.1": "system", "5.2": "system", "5.3": "policy", "5.4": "system", "5.5": "system",
    "6.0": "content", "6.1": "content", "6.2": "content", "6.3": "content", "6.5": "content",
    "6.6": "content", "6.7": "content", "6.9": "content", "6.8": "content",
    "7.1": "policy", "7.2": "list", "7.3": "policy", "7.4": "policy", "7.5": "policy",
    "7.8": "policy", "7.9": "policy", "7.10": "policy", "7.13": "suspended", "7.17": "moved",
    "7.20": "authentication", "7.21": "authentication", "7.22": "authentication",
    "7.23": "authentication", "7.24": "authentication", "7.25": "blocked", "7.26": "authentication",
    "7.27": "rejected", "7.28": "rate-limited", "7.29": "authentication", "7.30": "authentication",
    "7.124": "list", "7.133": "list", "7.134": "list", "7.193": "policy", "7.232": "rate-limited",
    "7.233": "rate-limited", "7.501": "spam", "7.502": "spam", "7.503": "spam",
    "7.508": "rate-limited", "7.509": "authentication", "7.510": "policy", "7.511": "blocked",
    "7.512": "content",
    "7.513": "blocked", "7.515": "authentication", "7.606": "blocked", "7.703": "blocked",
    "7.705": "rate-limited", "7.708": "blocked", "7.750": "blocked",
}  # fmt: skip

# django-anymail's words for the same (https://anymail.dev, "reject_reason"). Its "invalid" is for
# what is no address at all; an address that bounces is "bounced".
_REJECT_REASONS: dict[Reason, RejectReason] = {
    "user-unknown": "bounced", "host-unknown": "bounced", "moved": "bounced", "no-mail": "bounced",
    "mailbox-full": "bounced", "suspended": "bounced", "filtered": "blocked",
    "too-large": "other", "content": "spam", "spam": "spam", "virus": "spam",
    "policy": "blocked", "blocked": "blocked", "authentication": "blocked", "rejected": "blocked",
    "rate-limited": "timed_out", "expired": "timed_out", "network": "timed_out",
    "mail-loop": "other", "system": "other", "list": "blocked", "other": "other",
}  # fmt: skip


def reject_reason(reason: Reason) -> RejectReason:
    """The reason as an event tells it."""
    return _REJECT_REASONS[reason]


def explain(text: str, status: str, *, more: str = "") -> Reason:
    """The reason that a server's words and an RFC 3463 status come to: plain words count most,
    then the code, then hints. status: "" where none is known. more: a text that counts where the
    first one has no plain words."""
    words = _words(text)
    reason = _told(words)
    if reason is None and more:
        words += _words(more)
        reason = _first(words, _SURE) or _first(words, _PLAIN)
        if reason in HARD:
            reason = _told(words)
    if reason is None and status:
        reason = _BY_STATUS.get(status.partition(".")[2])
    if reason is None and more:
        reason = spoken_reason(words)
    return reason or _first(words, _HINTS) or _by_subject(status)


def _told(words: str) -> Reason | None:
    """What a text says plainly."""
    if reason := _first(words, _SURE):
        return reason
    reason = _first(words, _PLAIN)
    if reason in HARD and not any(sign in words for sign in _OTHERS):
        return reason
    return _checked(reason, spoken_reason(words)) if reason in _CHECKED or not reason else reason


def _checked(reason: Reason | None, spoken: Reason | None) -> Reason | None:
    """What phrases tell, put right by what the grammar does: who is unknown may be the sender or a
    group, and an unknown address says more than a block list that is named beside it."""
    if reason in HARD:
        return spoken if spoken in ("rejected", "list") else reason
    return spoken if reason is None or spoken in HARD else reason


def is_hard(reason: Reason, status: str, action: str) -> bool:
    """Whether the address itself is dead. What is delayed is not, and a server that accepts no mail
    for now says so with a transient code."""
    if action not in ("failed", "") or (reason == "no-mail" and status.startswith("4")):
        return False
    return reason in HARD


def is_permanent(reason: Reason, status: str, reply: int | None, action: str) -> bool:
    """Whether trying again is of no use."""
    if action in ("delayed", "delivered", "relayed", "expanded"):
        return False
    if is_hard(reason, status, action):
        return True
    if status:
        return status[0] == "5"
    if reply:
        return reply >= _PERMANENT
    return reason not in _TEMPORARY


_LINK_OR_ADDRESS = re.compile(
    r"https?://[^\s>\"')]{1,500}+|(?<![\w.+=-])[\w.+=-]{1,64}+@[\w.-]{1,253}+"
)


def _words(text: str) -> str:
    return f" {' '.join(_plain(text[:_MOST]).lower().split())} "


def _plain(text: str) -> str:
    """A text without addresses, whose words mean nothing here. Links to lists of blocked hosts,
    to error codes or to policies do, but not the rest of a link."""
    return _LINK_OR_ADDRESS.sub(_keep_host, text)


def _keep_host(match: re.Match[str]) -> str:
    found = match[0]
    return "/".join(found.split("/")[:3]) if found.startswith("http") else "(address)"


@dataclass(frozen=True, slots=True)
class _Row:
    """Phrases for a reason that must be looked for one by one: whole ones, short ones that must
    be words, and those with gaps, in pieces."""

    reason: Reason
    whole: tuple[str, ...]
    short: tuple[str, ...]
    gapped: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows in order, and the phrases that are found by their first word, with their row's place."""

    rows: tuple[_Row, ...]
    by_word: dict[str, list[tuple[int, str]]]


def _table(*parts: Phrases) -> _Table:
    rows = []
    by_word: dict[str, list[tuple[int, str]]] = {}
    for place, (reason, phrases) in enumerate(row for part in parts for row in part):
        rest = []
        for phrase in phrases:
            first, blank, _ = phrase.partition(" ")
            if blank and "*" not in phrase and _WORD.fullmatch(first):
                by_word.setdefault(first, []).append((place, phrase))
            else:
                rest.append(phrase)
        plain = [phrase for phrase in rest if "*" not in phrase]
        pieces = (phrase.split("*") for phrase in rest if "*" in phrase)
        rows.append(
            _Row(
                reason,
                whole=tuple(phrase for phrase in plain if len(phrase) > _SHORT),
                short=tuple(phrase for phrase in plain if len(phrase) <= _SHORT),
                gapped=tuple(tuple(piece.strip() for piece in each) for each in pieces),
            )
        )
    return _Table(tuple(rows), by_word)


_WORD = re.compile(r"[a-z]{2,}")
_SURE = _table(FIRST)
_PLAIN = _table(PLAIN)
_HINTS = _table(HINTS)


def _first(words: str, table: _Table) -> Reason | None:
    """The reason of the first row that has a phrase in a text."""
    best = len(table.rows)
    for word in table.by_word.keys() & set(_WORD.findall(words)):
        for place, phrase in table.by_word[word]:
            if place < best and phrase in words:
                best = place
    for row in table.rows[:best]:
        if _holds(words, row):
            return row.reason
    return table.rows[best].reason if best < len(table.rows) else None


def _holds(words: str, row: _Row) -> bool:
    for phrase in row.whole:
        if phrase in words:
            return True
    for pieces in row.gapped:
        if pieces[0] in words and pieces[1] in words and _follow(words, pieces):
            return True
    return any(phrase in words and _is_word(words, phrase) for phrase in row.short)


def _is_word(words: str, phrase: str) -> bool:
    at = words.find(phrase)
    while at >= 0:
        if not words[at - 1].isalnum() and not words[at + len(phrase)].isalnum():
            return True
        at = words.find(phrase, at + 1)
    return False


def _follow(words: str, pieces: tuple[str, ...]) -> bool:
    """Whether the pieces of a phrase follow each other closely."""
    first, *rest = pieces
    at = words.find(first)
    for _ in range(8):
        if at < 0:
            return False
        end = at + len(first)
        for piece in rest:
            found = words.find(piece, end, end + _GAP + len(piece))
            if found < 0:
                break
            end = found + len(piece)
        else:
            return True
        at = words.find(first, at + 1)
    return False


def _by_subject(status: str) -> Reason:
    """What the subject (the second number) of a status alone tells."""
    subjects: dict[str, Reason] = {
        "1": "other", "2": "filtered", "3": "system", "4": "network", "5": "other", "6": "content",
        "7": "policy",
    }  # fmt: skip
    return subjects.get(status.split(".")[1], "other") if status else "other"
