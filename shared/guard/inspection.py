"""Inspecting a message: all detectors over all that is sent, and one verdict."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from shared.errors import FieldProblem
from shared.findings import Finding, Severity
from shared.guard.bank_accounts import find_ibans
from shared.guard.cards import find_cards
from shared.guard.connections import (
    find_connections,
    find_headers,
    find_labelled,
    find_url_credentials,
)
from shared.guard.encryption import mark_for_encryption
from shared.guard.hits import Detector, Hit
from shared.guard.national_ids import national_ids
from shared.guard.passages import Part, Passage, Unread, parts_of
from shared.guard.passwords import find_passwords
from shared.guard.policy import GuardPolicy, plain
from shared.guard.private_keys import find_private_keys
from shared.guard.redaction import mask, redact
from shared.guard.rules import ACTIONS, Action, rule_named
from shared.guard.tokens import find_jwts, find_tokens
from shared.messages.model import Message

MAX_FINDINGS = 50
_MAX_SUBJECT = 500

# In this order: of two that found the same characters the first one knows better what they are.
_DETECTORS: tuple[Detector, ...] = (
    find_private_keys,
    find_connections,
    find_url_credentials,
    find_tokens,
    find_headers,
    find_jwts,
    find_cards,
    find_ibans,
    find_labelled,
    find_passwords,
)
_REDACTABLE = frozenset(["subject", "text", "html"])
_SEVERITIES: Mapping[Action, Severity] = {"allow": "info", "warn": "warning", "encrypt": "warning"}

type _Content = tuple[tuple[tuple[Passage, Hit], ...], tuple[Unread, ...]]


class Memory:
    """What was found in parts that several messages have, such as those of a batch: each is
    searched once, as long as it is among the last ones used. For one policy."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, _Content] = OrderedDict()

    def recall(self, key: Hashable, search: Callable[[], _Content]) -> _Content:
        """What was found under the key, or is found now."""
        found = self._kept.pop(key, None) or search()
        self._kept[key] = found
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message, why, and the message as it may leave (`redact`, `encrypt`).

    redacted: whether anything in `message` was masked.
    """

    action: Action
    findings: tuple[Finding, ...] = ()
    message: Message = field(repr=False, kw_only=True)
    redacted: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class _Found:
    passage: Passage
    hit: Hit
    action: Action


def inspect(message: Message, *, policy: GuardPolicy, memory: Memory | None = None) -> Verdict:
    """The guard's verdict about a message whose content is ready to be sent. Pure.

    memory: what was found in texts that other messages have too (a batch's); it is added to.
    """
    if not policy.enabled:
        return Verdict("allow", message=message)
    found, unread = _search(message, policy, memory)
    findings = [_finding(one) for one in found]
    actions: list[Action] = [one.action for one in found]
    for part in unread:
        action = _action(policy, message, "not-inspected")
        if action != "allow":
            actions.append(action)
            findings.append(_unread_finding(part, action))
    strictest: Action = max(actions, key=ACTIONS.index, default="allow")
    changed, actions_done = _applied(message, policy, found)
    if "redact" in actions and actions_done == "hold":
        strictest = _stricter(strictest, "hold")
    if "encrypt" in actions:
        marked = mark_for_encryption(changed, policy)
        if marked is None:
            strictest = _stricter(strictest, "hold")
        changed = marked or changed
    return Verdict(
        strictest, _bounded(findings), message=changed, redacted=actions_done == "redact"
    )


def redacted(message: Message, *, policy: GuardPolicy) -> Message | None:
    """The message with everything masked that the policy does not let pass; None where something
    stands in a file, a name or a header, which are not changed."""
    strict = ("redact", "hold", "block")
    found, _ = _search(message, policy, None)
    wanted = [replace(one, action="redact") for one in found if one.action in strict]
    changed, done = _applied(message, policy, wanted)
    return None if done == "hold" else changed


def refusals(verdict: Verdict) -> list[FieldProblem]:
    """The faults for which a message with the verdict `block` is refused."""
    return [
        FieldProblem(
            finding.where.partition(",")[0], f"{finding.why} ({finding.masked})", finding.fix
        )
        for finding in verdict.findings
        if finding.severity == "error"
    ]


def _stricter(one: Action, other: Action) -> Action:
    return max(one, other, key=ACTIONS.index)


def _action(policy: GuardPolicy, message: Message, rule: str) -> Action:
    return policy.action(rule, sender=message.sender.email, category=message.category)


def _search(
    message: Message, policy: GuardPolicy, memory: Memory | None
) -> tuple[list[_Found], list[Unread]]:
    """All hits whose action is another than `allow`."""
    detectors: Sequence[Detector] = _DETECTORS
    if policy.national_ids:
        detectors = (*detectors, national_ids(policy.national_ids))
    found: list[_Found] = []
    unread: list[Unread] = []
    for part in parts_of(message):
        search = partial(_search_part, part, detectors)
        hits, cut = memory.recall(part.key, search) if memory is not None else search()
        unread += cut
        for passage, hit in hits:
            action = _action(policy, message, hit.rule)
            exempt = plain(passage.text[hit.start : hit.end]) in policy.exempt
            if action != "allow" and not exempt:
                found.append(_Found(passage, hit, action))
    return found, unread


def _search_part(part: Part, detectors: Sequence[Detector]) -> _Content:
    hits: list[tuple[Passage, Hit]] = []
    unread: list[Unread] = []
    for passage in part.read():
        if isinstance(passage, Unread):
            unread.append(passage)
        else:
            hits += ((passage, hit) for hit in _distinct(passage, detectors))
    return tuple(hits), tuple(unread)


def _distinct(passage: Passage, detectors: Sequence[Detector]) -> Iterator[Hit]:
    """Hits that do not overlap; of those that do, the earlier detector's."""
    taken: set[int] = set()
    for detect in detectors:
        for hit in detect(passage):
            # By its ends and middle: whole keys are long, and hits of one detector do not nest.
            places = {hit.start, (hit.start + hit.end) // 2, hit.end - 1}
            places |= set(range(hit.start, hit.end, 8))
            if not places & taken:
                taken |= set(range(hit.start, hit.end))
                yield hit


def _applied(
    message: Message, policy: GuardPolicy, found: Sequence[_Found]
) -> tuple[Message, Action]:
    """The message with what is to be redacted masked; `hold` where that cannot be done."""
    wanted = [one for one in found if one.action == "redact"]
    if not wanted:
        return message, "allow"
    update: dict[str, Any] = {}
    for name in ("subject", "text", "html"):
        places = [(o.passage.reading, o.hit) for o in wanted if o.passage.source == name]
        if places:
            update[name] = redact(getattr(message, name), places)
    if "subject" in update:
        update["subject"] = update["subject"][:_MAX_SUBJECT]
    changed = message.model_copy(update=update)
    if any(one.passage.source not in _REDACTABLE for one in wanted):
        return changed, "hold"
    # What is left (beyond the bounds, or found again in what remains) must not leave either.
    rules = {one.hit.rule for one in wanted}
    left, _ = _search(changed, policy, None)
    return changed, "hold" if any(one.hit.rule in rules for one in left) else "redact"


def _finding(one: _Found) -> Finding:
    rule = rule_named(one.hit.rule)
    value = one.passage.text[one.hit.start : one.hit.end]
    line = one.passage.text.count("\n", 0, one.hit.start) + 1
    where = one.passage.where
    if one.passage.source in {"text", "file"} and line > 1:
        where = f"{where}, line {line}"
    return Finding(
        rule=rule.name,
        severity=_SEVERITIES.get(one.action, "error"),
        where=where,
        why=f"It holds {rule.what.partition(':')[0]}.",
        fix=rule.fix,
        masked=mask(value, one.hit),
    )


def _unread_finding(part: Unread, action: Action) -> Finding:
    rule = rule_named("not-inspected")
    severity = _SEVERITIES.get(action, "error")
    return Finding(
        rule.name, severity, part.where, "Its end was not searched: it is too long.", rule.fix
    )


def _bounded(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each finding once, and no more than anybody reads."""
    return tuple(dict.fromkeys(findings))[:MAX_FINDINGS]
