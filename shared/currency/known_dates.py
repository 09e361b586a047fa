"""Known dates of the services that Mailroom uses, from `dates.toml`, each with its source."""

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from shared.errors import MailroomError
from shared.settings import Settings

DATES_FILE = Path(__file__).with_name("dates.toml")

_TEXTS = ("name", "what", "fix", "source")
_KEYS = {*_TEXTS, "day", "once_passed", "concerns"}
_SENDERS = "sender_domains"
_FIELDS = frozenset(field.name for field in dataclasses.fields(Settings))
_LONGEST = 500


class KnownDatesError(MailroomError):
    """The file of known dates cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDate:
    """A day on which a service changes.

    once_passed: what it means afterwards for those whom it concerns: `error`, mail is refused;
    `note`, something to keep to. concerns: settings by name, with the values that it is about, any
    of which is enough; `sender_domains` are domains of senders, subdomains included. Without any it
    is about other apps of the same organisation.
    """

    name: str
    day: date
    what: str
    fix: str
    source: str
    once_passed: Literal["error", "note"]
    concerns: Mapping[str, tuple[str, ...]]

    def is_about(self, settings: Settings) -> bool:
        """Whether an app with these settings has to do something about it."""
        for name, values in self.concerns.items():
            if name == _SENDERS:
                domains = [sender.rpartition("@")[2] for sender in settings.senders]
                if any(f".{d}".endswith(f".{value}") for d in domains for value in values):
                    return True
            elif getattr(settings, name) in values:
                return True
        return False


def load_known_dates(path: Path = DATES_FILE) -> tuple[KnownDate, ...]:
    """The dates in the file, the earliest first. Raises KnownDatesError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(path, f"it cannot be read: {error}") from None
    entries = content.get("date")
    if set(content) != {"date"} or not isinstance(entries, list):
        raise _unusable(path, "it is not a list of [[date]] tables")
    found: dict[str, KnownDate] = {}
    for number, entry in enumerate(entries, 1):
        known, fault = _read(entry)
        if known is None or known.name in found:
            raise _unusable(path, f"date {number}: {fault or 'its name is there already'}")
        found[known.name] = known
    return tuple(sorted(found.values(), key=lambda known: (known.day, known.name)))


def _read(entry: Any) -> tuple[KnownDate | None, str]:
    """The date, or what is wrong with it."""
    if not isinstance(entry, dict) or not set(entry) <= _KEYS:
        return None, f"it has other keys than {', '.join(sorted(_KEYS))}"
    concerns = entry.get("concerns", {})
    fault = next(chain(_faults(entry), _unconcerning(concerns)), "")
    if fault:
        return None, fault
    return KnownDate(**entry | {"concerns": {n: tuple(v) for n, v in concerns.items()}}), ""


def _faults(entry: Mapping[str, Any]) -> Iterator[str]:
    for name in _TEXTS:
        text = entry.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= _LONGEST or not text.isprintable():
            yield f"`{name}` is not a text of one line"
    if not entry["source"].startswith("https://"):
        yield "`source` is not an https address"
    if type(entry.get("day")) is not date:  # a datetime is a date too, but no day
        yield "`day` is not a date"
    if entry.get("once_passed") not in ("error", "note"):
        yield "`once_passed` is neither `error` nor `note`"


def _unconcerning(concerns: Any) -> Iterator[str]:
    if not isinstance(concerns, dict):
        yield "`concerns` is not a table"
        return
    for name, values in concerns.items():
        if name not in _FIELDS | {_SENDERS}:
            yield f"there is no setting `{name}`"
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            yield f"`{name}` is not a list of texts"


def _unusable(path: Path, why: str) -> KnownDatesError:
    return KnownDatesError(
        f"{path.name} is not usable: {why}.", fix="Put back the file of the released version."
    )
