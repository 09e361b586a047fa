"""Faults on purpose: where, when and how the server misbehaves.

A fault names a stage of the conversation, which of its occurrences it strikes and what happens.
Stages: "connect" (before the greeting), "greeting", "ehlo", "starttls", "auth", "mail", "rcpt",
"data" (the command), "bdat" (each complete chunk), "body" (while octets of the message arrive),
"end-of-data" (the message is complete), "after-reply" (its reply is on the way), "rset", "noop",
"quit".

Actions: "reply" (answer with `reply` instead of obeying), "421" (the same with 421 4.3.2, then
close), "drop" (cut the connection before the reply), "accept-and-drop" (obey, then cut before the
reply: the client cannot know), "drop-after-reply", "hang" (wait `seconds`, then go on),
"accept-and-hang" (obey, then wait before the reply), "slow" (the reply trickles over `seconds`).
At "body" and "after-reply" the action is one of "drop", "421" and "hang"; `after_octets` says how
much of the body comes first. Seconds are real ones, whatever the server's clock.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .replies import Reply

STAGES = (
    "connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "bdat", "body",
    "end-of-data", "after-reply", "rset", "noop", "quit",
)  # fmt: skip
ACTIONS = (
    "reply", "421", "drop", "accept-and-drop", "drop-after-reply", "hang", "accept-and-hang",
    "slow",
)  # fmt: skip
_SILENT = {
    "body": {"drop", "421", "hang"},
    "after-reply": {"drop", "421", "hang"},
}


class FaultError(ValueError):
    """A fault that cannot be; the text names the member and what is allowed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. It leaves `skip` occurrences alone, then strikes `times` (None: for ever), each
    with `probability`. `mailbox` limits it to sessions of that mailbox (after AUTH), `argument`
    to commands that contain this text (any case), such as a recipient's address.
    """

    stage: str
    action: str
    reply: str = "451 4.7.0 Temporary server error. Please try again later."
    seconds: float = 0.0
    skip: int = 0
    times: int | None = 1
    probability: float = 1.0
    after_octets: int = 1
    mailbox: str | None = None
    argument: str | None = None

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise FaultError(f"unknown stage {self.stage!r}: there are {', '.join(STAGES)}")
        if self.action not in ACTIONS:
            raise FaultError(f"unknown action {self.action!r}: there are {', '.join(ACTIONS)}")
        if self.stage in _SILENT and self.action not in _SILENT[self.stage]:
            allowed = ", ".join(sorted(_SILENT[self.stage]))
            raise FaultError(f"no reply is due at {self.stage!r}: the action is one of {allowed}")
        if self.seconds < 0 or self.skip < 0 or not 0 <= self.probability <= 1:
            raise FaultError("seconds and skip are not negative, probability lies in 0 to 1")
        if self.times is not None and self.times < 1:
            raise FaultError("times is at least 1, or null for ever")
        try:
            Reply.parse(self.reply)
        except ValueError as error:
            raise FaultError(str(error)) from error

    @classmethod
    def from_json(cls, value: Any) -> "Fault":
        """Read a JSON object; FaultError names what is wrong with it."""
        if not isinstance(value, Mapping):
            raise FaultError('a fault is a JSON object, as in {"stage": "mail", "action": "421"}')
        kinds = {
            "seconds": (int, float), "probability": (int, float), "skip": (int,),
            "times": (int, type(None)), "after_octets": (int,),
            "mailbox": (str, type(None)), "argument": (str, type(None)),
        }  # fmt: skip
        names = [one.name for one in fields(cls)]
        for name, member in value.items():
            if name not in names:
                raise FaultError(f"unknown member {name!r}: there are {', '.join(names)}")
            allowed: tuple[type, ...] = kinds.get(name, (str,))
            if not isinstance(member, allowed) or isinstance(member, bool):
                raise FaultError(f"{name!r} has the wrong type: {member!r}")
        if "stage" not in value or "action" not in value:
            raise FaultError("a fault has at least 'stage' and 'action'")
        return cls(**value)


@dataclass(slots=True)
class _Planned:
    number: int
    fault: Fault
    met: int = 0
    struck: int = field(default=0)

    @property
    def is_over(self) -> bool:
        return self.fault.times is not None and self.struck >= self.fault.times


class FaultPlan:
    """The faults that are switched on. `rng` decides the improbable ones."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._planned: list[_Planned] = []
        self._next = 1

    def __bool__(self) -> bool:
        return bool(self._planned)

    def add(self, faults: Iterable[Fault]) -> list[int]:
        """Switch faults on; return their numbers."""
        numbers = []
        for fault in faults:
            self._planned.append(_Planned(self._next, fault))
            numbers.append(self._next)
            self._next += 1
        return numbers

    def seed(self, seed: int) -> None:
        """Start the random choices anew."""
        self._rng.seed(seed)

    def clear(self, number: int | None = None) -> int:
        """Switch off one fault or all; return how many that were."""
        before = len(self._planned)
        self._planned = [one for one in self._planned if number not in (None, one.number)]
        return before - len(self._planned)

    def take(self, stage: str, mailbox: str | None, argument: bytes = b"") -> Fault | None:
        """Tell whether a fault strikes this occurrence of `stage`, and count it."""
        for one in self._planned:
            fault = one.fault
            if fault.stage != stage or one.is_over:
                continue
            if fault.mailbox is not None and fault.mailbox.lower() != (mailbox or "").lower():
                continue
            if fault.argument and fault.argument.lower().encode() not in argument.lower():
                continue
            one.met += 1
            if one.met <= fault.skip or self._rng.random() >= fault.probability:
                continue
            one.struck += 1
            return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Return every fault with how often its occasion came (`met`) and it `struck`."""
        return [
            {"number": one.number, **asdict(one.fault), "met": one.met, "struck": one.struck}
            for one in self._planned
        ]
