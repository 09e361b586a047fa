"""The lists that rules look up, from `lists.toml`."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType


@cache
def load_lists() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """All lists, by subject and name."""
    path = Path(__file__).with_name("lists.toml")
    return MappingProxyType(tomllib.loads(path.read_text(encoding="utf-8")))
