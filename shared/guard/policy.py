"""What the guard does about what it finds: the setting MAILROOM_GUARD, read and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from shared.guard.rules import ACTIONS, GROUP_NAMES, RULE_NAMES, Action, rule_named

Country = Literal["us", "gb", "de", "fr", "es", "nl", "it", "pl", "se", "ch", "br"]
COUNTRIES: tuple[Country, ...] = get_args(Country)

_EXPECTED = (
    '`off`, or a JSON object such as {"actions": {"iban": "allow", "tokens": "block"}, '
    '"exceptions": [{"sender": "it@contoso.com", "category": "transactional", "actions": '
    '{"password": "warn"}}], "national_ids": ["de"], "exempt": ["DE89 3704 0044 0532 0130 00"]}'
)


class PolicyError(ValueError):
    """The text of the setting is no policy; the message says what is expected."""


@dataclass(frozen=True, slots=True)
class GuardException:
    """Other actions for some messages; `sender` may be `*@domain`, "" stands for any."""

    actions: Mapping[str, Action]
    sender: str = ""
    category: str = ""

    def concerns(self, sender: str, category: str) -> bool:
        address = sender.lower()
        own = self.sender in {"", address, f"*@{address.rpartition('@')[2]}"}
        return own and self.category in {"", category}


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPolicy:
    """Actions by rule, group or `*`; exceptions by sender and category, of which the last wins.

    national_ids: countries whose ids are looked for. exempt: values that are no finding, as
    letters and digits alone. encrypt_header, encrypt_tag: what the action `encrypt` writes.
    """

    enabled: bool = True
    actions: Mapping[str, Action] = field(default_factory=dict)
    exceptions: tuple[GuardException, ...] = ()
    national_ids: tuple[Country, ...] = ()
    exempt: frozenset[str] = field(default=frozenset(), repr=False)
    encrypt_header: tuple[str, str] | None = None
    encrypt_tag: str = ""

    def action(self, rule: str, *, sender: str, category: str) -> Action:
        """What becomes of a message of this sender and category in which the rule finds
        something: the last exception that names it, else the actions, else the default."""
        group = rule_named(rule).group
        tables = [e.actions for e in self.exceptions if e.concerns(sender, category)]
        for table in (*reversed(tables), self.actions):
            for name in (rule, group, "*"):
                if name in table:
                    return table[name]
        return rule_named(rule).default

    def uses(self, action: Action) -> bool:
        """Whether the setting names the action anywhere."""
        tables = (self.actions, *(exception.actions for exception in self.exceptions))
        return any(action in table.values() for table in tables)


def read_policy(raw: str) -> GuardPolicy:
    """The policy that a setting's text stands for. Raises PolicyError."""
    if raw.strip().lower() == "off":
        return GuardPolicy(enabled=False)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise PolicyError(_EXPECTED) from None
    if not isinstance(value, dict):
        raise PolicyError(_EXPECTED)
    _check_names(value, {"actions", "exceptions", "national_ids", "exempt"})
    exceptions = value.get("exceptions", [])
    if not isinstance(exceptions, list):
        raise PolicyError(_EXPECTED)
    return GuardPolicy(
        actions=_actions(value.get("actions", {})),
        exceptions=tuple(_exception(entry) for entry in exceptions),
        national_ids=cast("tuple[Country, ...]", _countries(value.get("national_ids", []))),
        exempt=frozenset(plain(entry) for entry in _texts(value.get("exempt", []))),
    )


def plain(value: str) -> str:
    """A value as exemptions compare it: its letters and digits, in upper case."""
    return "".join(char for char in value if char.isalnum()).upper()


def _check_names(value: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(value) - known):
        raise PolicyError(f"{_EXPECTED} (it has no {', '.join(unknown)[:80]})")


def _actions(value: Any) -> Mapping[str, Action]:
    if not isinstance(value, dict):
        raise PolicyError(_EXPECTED)
    names = RULE_NAMES | GROUP_NAMES | {"*"}
    for name, action in value.items():
        if name not in names:
            raise PolicyError(f"one with rules or groups of {', '.join(sorted(names))}")
        if action not in ACTIONS:
            raise PolicyError(f"one with actions of {', '.join(ACTIONS)}")
    return cast("Mapping[str, Action]", value)


def _exception(value: Any) -> GuardException:
    if not isinstance(value, dict):
        raise PolicyError(_EXPECTED)
    _check_names(value, {"sender", "category", "actions"})
    sender, category = value.get("sender", ""), value.get("category", "")
    if not isinstance(sender, str) or category not in ("", "transactional", "bulk"):
        raise PolicyError(_EXPECTED)
    if sender and "@" not in sender:
        raise PolicyError(f"{_EXPECTED} (a sender is an address, or *@domain)")
    return GuardException(_actions(value.get("actions", {})), sender.strip().lower(), category)


def _countries(value: Any) -> tuple[str, ...]:
    if not set(_texts(value)) <= set(COUNTRIES):
        raise PolicyError(f"one with national_ids of {', '.join(COUNTRIES)}")
    return tuple(value)


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise PolicyError(_EXPECTED)
    return value
