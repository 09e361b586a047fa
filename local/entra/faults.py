"""What goes wrong at Entra on purpose: refused token requests and wrong tokens."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from local.entra.tokens import TokenFaults
from local.faults import FaultQueue, FaultRequestError, refuse_unknown

_TOKEN_FIELDS = frozenset({"audience", "life_seconds", "drop_roles", "times"})


class EntraFaults:
    """`answers` are faults of the token endpoint, `tokens` those of what it issues."""

    def __init__(self, tokens: TokenFaults) -> None:
        self.answers = FaultQueue()
        self.tokens = tokens

    def accept(self, body: Mapping[str, Any]) -> None:
        """Switch on `{"answers": [fault, …], "tokens": {"audience", "life_seconds", …}}`."""
        refuse_unknown(body, {"answers", "tokens"})
        tokens = _read_token_faults(body.get("tokens", {}))
        self.answers.accept({"answers": body.get("answers", [])})
        for name, value in tokens.items():
            setattr(self.tokens, name, value)

    def describe(self) -> dict[str, Any]:
        """The faults that are on, as JSON."""
        life = self.tokens.life
        return self.answers.describe() | {
            "tokens": {
                "audience": self.tokens.audience,
                "life_seconds": None if life is None else life.total_seconds(),
                "drop_roles": self.tokens.drop_roles,
                "times": self.tokens.times,
            },
        }

    def clear(self) -> None:
        """Let everything be right again."""
        self.answers.clear()
        self.tokens.audience = self.tokens.life = self.tokens.times = None
        self.tokens.drop_roles = False


def _read_token_faults(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise FaultRequestError(f"'tokens' is an object with some of {sorted(_TOKEN_FIELDS)}")
    refuse_unknown(body, _TOKEN_FIELDS)
    faults: dict[str, Any] = {}
    if "audience" in body:
        faults["audience"] = None if body["audience"] is None else str(body["audience"])
    if "drop_roles" in body:
        faults["drop_roles"] = bool(body["drop_roles"])
    if "life_seconds" in body:
        seconds = _read_number(body, "life_seconds")
        faults["life"] = None if seconds is None else timedelta(seconds=seconds)
    if "times" in body:
        faults["times"] = _read_number(body, "times")
    return faults


def _read_number(body: Mapping[str, Any], name: str) -> int | None:
    value = body[name]
    if value is not None and not isinstance(value, int):
        raise FaultRequestError(f"'{name}' is a whole number or null")
    return value
