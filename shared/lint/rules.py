"""The table of rules, from `rules.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from shared.findings import Severity

Action = Literal["off", "warn", "block"]
ACTIONS: tuple[str, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it finds, why that matters, what to do, and where that is written."""

    id: str
    severity: Severity
    title: str
    why: str
    fix: str
    action: Action
    source: str


@cache
def load_rules() -> Mapping[str, Rule]:
    """All rules by id, in the order of the documentation."""
    table = tomllib.loads(Path(__file__).with_name("rules.toml").read_text(encoding="utf-8"))
    return MappingProxyType({name: Rule(id=name, **fields) for name, fields in table.items()})
