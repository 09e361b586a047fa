"""What is posted to a link: by mail programs for their readers, and by the page's own buttons."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, cast, get_args
from urllib.parse import parse_qsl

from shared.preferences import Cadence, PreferenceChange, RecipientPreferences

Action = Literal["one-click", "leave", "save", "leave-all", "return", "pause", "resume", "undo"]

LARGEST_FORM = 64 * 1024  # octets
PAUSES = (30, 90)  # days

_ACTIONS = frozenset(get_args(Action)) - {"one-click"}
_CADENCES: Mapping[str, Cadence] = {name: name for name in get_args(Cadence)}
_LONGEST_PAUSE = timedelta(days=366)
_MOST_FIELDS = 1000
_BOUNDARY = re.compile(r'boundary="?([A-Za-z0-9\'()+_,./:=? -]{1,70})"?', re.IGNORECASE)
_PART_NAME = re.compile(rb'name="?([^";\r\n]{1,100})"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """One posted form. fields: names and values, in order."""

    action: Action
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def all(self, name: str) -> list[str]:
        """The values of a field."""
        return [value for key, value in self.fields if key == name]


def read_form(body: bytes, content_type: str) -> Form | None:
    """The form, or None for what is none of ours.

    RFC 8058 section 3.2: `List-Unsubscribe=One-Click`, as multipart/form-data or urlencoded.
    """
    if len(body) > LARGEST_FORM:
        return None
    fields = _parts(body, content_type) if "multipart/" in content_type.lower() else _pairs(body)
    form = Form("one-click", tuple(fields))
    if "one-click" in (value.strip().lower() for value in form.all("List-Unsubscribe")):
        return form
    actions = form.all("do")
    if len(actions) != 1 or actions[0] not in _ACTIONS:
        return None
    return replace(form, action=cast("Action", actions[0]))


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode().strip(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return []


def _parts(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """The fields of multipart/form-data (RFC 7578), files left out."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        return []
    fields = []
    for part in body.split(b"--" + found[1].strip().encode(), _MOST_FIELDS)[1:]:
        head, gap, value = part.replace(b"\r\n", b"\n").partition(b"\n\n")
        name = _PART_NAME.search(head)
        if gap and name and b"filename" not in head.lower():
            fields.append(
                (name[1].decode("latin-1"), value.rstrip(b"\n").decode("utf-8", "ignore"))
            )
    return fields


def change_of(
    form: Form, topic: str, names: Collection[str], now: datetime
) -> PreferenceChange | None:
    """The change that a form asks for; None where it does not make sense.

    topic: of the link. names: the topics that may be changed.
    """
    match form.action:
        case "save":
            return _chosen(form, names)
        case "undo":
            return _former(form, _chosen(form, names), now)
        case "pause":
            days = next((d for d in PAUSES if form.all("days") == [str(d)]), None)
            return PreferenceChange(paused_until=now + timedelta(days=days)) if days else None
    plain = {
        "leave-all": PreferenceChange(all_off=True),
        "return": PreferenceChange(all_off=False),
        "resume": PreferenceChange(resume=True),
    }
    return plain.get(form.action, PreferenceChange(topics={topic: False}))


def _chosen(form: Form, names: Collection[str]) -> PreferenceChange | None:
    """A box that is not ticked is not posted: `shown` tells that it was there."""
    shown, ticked = form.all("shown"), set(form.all("topic"))
    if not set(shown) <= set(names):
        return None
    cadences: dict[str, Cadence] = {}
    for topic in ticked & set(shown):
        posted = form.all(f"cadence-{topic}")
        cadence = _CADENCES.get(posted[0]) if len(posted) == 1 else None
        if cadence is None or cadence == "none":
            return None
        cadences[topic] = cadence
    return PreferenceChange(topics={topic: topic in ticked for topic in shown}, cadences=cadences)


def _former(form: Form, chosen: PreferenceChange | None, now: datetime) -> PreferenceChange | None:
    """What was before, as `former_fields` has written it onto the page."""
    if chosen is None or len(form.all("all")) != 1 or len(form.all("until")) != 1:
        return None
    chosen = replace(chosen, all_off=form.all("all") == ["off"])
    if not (until := form.all("until")[0]):
        return replace(chosen, resume=True)
    try:
        end = datetime.fromisoformat(until).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if end > now + _LONGEST_PAUSE:
        return None
    return replace(chosen, paused_until=end) if end > now else replace(chosen, resume=True)


def former_fields(
    preferences: RecipientPreferences, names: Collection[str]
) -> list[tuple[str, str]]:
    """The hidden fields with which a page can bring back what is now."""
    fields = [("all", "off" if preferences.all_off else "")]
    until = preferences.paused_until
    fields.append(("until", until.isoformat() if until else ""))
    for name in sorted(names):
        fields.append(("shown", name))
        if preferences.topics.get(name, True):
            cadence = preferences.cadences.get(name, "each")
            fields += [("topic", name), (f"cadence-{name}", cadence)]
    return fields
