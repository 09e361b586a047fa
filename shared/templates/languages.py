"""Which of a template's languages a recipient gets: de-AT, else de, else the default."""

from collections.abc import Mapping, Sequence
from typing import Any

_RTL = frozenset("ar arc ckb dv fa he khw ks ku nqo ps sd syr ug ur yi".split())  # noqa: SIM905
_RTL_SCRIPTS = frozenset(["arab", "hebr", "thaa", "syrc", "nkoo"])


def fallbacks(language: str) -> list[str]:
    """The language and what it falls back to (RFC 4647, lookup): zh-Hant-TW, zh-Hant, zh."""
    parts = language.replace("_", "-").split("-")
    return ["-".join(parts[:n]) for n in range(len(parts), 0, -1)]


def choose(wanted: str, offered: Sequence[str], default: str) -> tuple[str, str]:
    """The language of the texts, and the one that dates and numbers are written in.

    Dates follow the wanted language's region where its texts are there (de-AT has Jänner).
    """
    by_name = {name.lower(): name for name in offered}
    for name in fallbacks(wanted) if wanted else ():
        if chosen := by_name.get(name.lower()):
            return chosen, wanted.replace("_", "-")
    return default, default


def is_rtl(language: str) -> bool:
    """Whether it is written from right to left."""
    base, *rest = language.lower().split("-")
    scripts = [part for part in rest if len(part) == 4 and part.isalpha()]  # noqa: PLR2004
    return scripts[0] in _RTL_SCRIPTS if scripts else base in _RTL


def pick(by_language: Mapping[str, Any], language: str, default: str) -> Any:
    """The value for a language, by way of its fallbacks and the default; None if there is none."""
    for name in (*fallbacks(language), *fallbacks(default)):
        if name in by_language:
            return by_language[name]
    return None


def merge_texts(by_language: Mapping[str, Any], language: str, default: str) -> dict[str, Any]:
    """The texts of a language; what it lacks comes from its fallbacks and from the default."""
    merged: dict[str, Any] = {}
    for name in reversed(list(dict.fromkeys((*fallbacks(language), *fallbacks(default))))):
        merged = _merged(merged, by_language.get(name, {}))
    return merged


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        under = both.get(key)
        both[key] = (
            _merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
        )
    return both
