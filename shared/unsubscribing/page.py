"""The preference page and its answers, in the recipient's language."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.pages import Page, Pages
from shared.preferences import RecipientPreferences, Topic
from shared.unsubscribing.forms import PAUSES, Action, former_fields
from shared.unsubscribing.requests import Choices
from shared.unsubscribing.texts import counted, texts_in, written_day, written_days


class PreferencePages:
    """Renders them. pages: with the folder PREFERENCE_PAGES."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def choices(self, choices: Choices, language: str) -> Page:
        """The page itself."""
        texts, preferences = texts_in(language), choices.preferences
        topic = title_of(choices, choices.subscriber.topic, language)
        leaving = choices.gets(choices.subscriber.topic) and not preferences.all_off
        until = preferences.paused_until
        return self._pages.render(
            "preferences.html", language=language, title=texts["title"], texts=texts,
            why=" ".join(_why(choices, topic, language)),
            leave=texts["leave"].format(topic=topic) if leaving else "",
            paused=texts["why_paused"].format(date=_day(until, preferences, language))
            if until else "",
            topics=[_topic(choices, one, language) for one in choices.topics],
            pauses=[
                {"days": d, "title": texts["pause_for"].format(days=written_days(d, language))}
                for d in PAUSES
            ],
            all_off=preferences.all_off,
        )  # fmt: skip

    def outcome(
        self,
        action: Action,
        before: Choices,
        after: RecipientPreferences,
        *,
        back: str,
        language: str,
    ) -> Page:
        """What an action has brought about, with a button that takes it back."""
        texts = texts_in(language)
        kind, lines = _outcome(action, before, after, language)
        former = [] if action == "undo" else former_fields(before.preferences, before.names)
        return self._pages.render(
            "outcome.html", language=language, title=texts[f"{kind}_title"], lines=lines,
            former=former, back=back, texts=texts,
        )  # fmt: skip

    def notice(self, kind: str, language: str) -> Page:
        """A page of a few words: `invalid`, `odd`, `busy` or `error`."""
        texts = texts_in(language)
        return self._pages.render(
            "notice.html", language=language, title=texts[f"{kind}_title"], lines=[texts[kind]]
        )


def title_of(choices: Choices, name: str, language: str) -> str:
    """A topic in words, in this language if they are there."""
    topic = next((topic for topic in choices.topics if topic.name == name), Topic(name=name))
    return _in_language(topic.names, language) or name


def _in_language(words: Mapping[str, str], language: str) -> str:
    """The words in a language, else in English, else in any."""
    by_tag = {tag.lower(): text for tag, text in words.items()}
    by_language = {tag.partition("-")[0]: text for tag, text in by_tag.items()} | by_tag
    any_words = next(iter(words.values()), "")
    return by_language.get(language) or by_language.get("en") or any_words


def _topic(choices: Choices, topic: Topic, language: str) -> dict[str, Any]:
    return {
        "name": topic.name,
        "title": _in_language(topic.names, language) or topic.name,
        "description": _in_language(topic.descriptions, language),
        "on": choices.gets(topic.name),
        "cadence": choices.preferences.cadences.get(topic.name, "each"),
    }


def _why(choices: Choices, topic: str, language: str) -> list[str]:
    """Why they get this mail."""
    texts, subscriber, record = texts_in(language), choices.subscriber, choices.record
    lines = [texts["why"].format(address=veiled(subscriber.address), topic=topic)]
    if record is not None and record.finished_at is not None:
        day = _day(record.finished_at, choices.preferences, language)
        lines.append(texts["why_sent"].format(sender=record.sender, date=day))
    reason = "why_default"
    if choices.preferences.all_off:
        reason = "why_all_off"
    elif not choices.gets(subscriber.topic):
        reason = "why_off"
    elif not next(t for t in choices.topics if t.name == subscriber.topic).default_on:
        reason = "why_chosen"
    return [*lines, texts[reason].format(topic=topic)]


def veiled(address: str) -> str:
    """An address that its owner knows again, and nobody else learns: `a…@example.com`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def _day(moment: datetime, preferences: RecipientPreferences, language: str) -> str:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 (not needed at the app's start)

    try:
        zone = ZoneInfo(preferences.time_zone or "UTC")
    except (LookupError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    return written_day(moment.astimezone(zone), language)


def _outcome(
    action: Action, before: Choices, after: RecipientPreferences, language: str
) -> tuple[str, Sequence[str]]:
    texts = texts_in(language)
    topic = title_of(before, before.subscriber.topic, language)
    if action in {"leave", "one-click"}:
        return "left", (texts["left"].format(topic=topic), texts["on_the_way"])
    if action == "undo":
        return "undone", (texts["undone"],)
    if after.all_off:
        return "left", (texts["left_all"], texts["on_the_way"])
    if after.paused_until is not None:
        day = _day(after.paused_until, after, language)
        return "saved", (texts["why_paused"].format(date=day),)
    shown = {topic.name for topic in before.topics}
    number = sum(after.topics.get(name, True) for name in shown)
    return "saved", (counted("saved", number, language),)
