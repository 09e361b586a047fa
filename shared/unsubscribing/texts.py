"""The words of the preference page and of what leads to it, in each of its languages."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from shared.pages.language import LANGUAGES
from shared.unsubscribing.translations import ENGLISH, FRENCH, GERMAN, SPANISH

_TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}
)


def texts_in(language: str) -> Mapping[str, str]:
    """The texts in a language (a tag such as `de-AT` will do), else in the first of LANGUAGES."""
    return _TEXTS[language_of(language)]


def language_of(tag: str) -> str:
    """The language of LANGUAGES that texts for this tag are in."""
    language = tag.partition("-")[0].lower()
    return language if language in _TEXTS else LANGUAGES[0]


def written_day(moment: datetime, language: str) -> str:
    """A day in words, in the moment's own time zone: `16 December 2026`."""
    from babel.dates import format_date  # noqa: PLC0415 (not needed at the app's start)

    return str(format_date(moment, "long", locale=_locale(language)))


def written_days(number: int, language: str) -> str:
    """A number of days in words: `30 days`."""
    from babel.units import format_unit  # noqa: PLC0415

    return str(format_unit(number, "duration-day", "long", locale=_locale(language)))


def counted(text: str, number: int, language: str) -> str:
    """The form of a text for a number (CLDR plural rules): `text` names forms with `_one`, …"""
    from babel import Locale  # noqa: PLC0415

    forms = texts_in(language)
    kind = Locale.parse(_locale(language)).plural_form(number)
    return forms.get(f"{text}_{kind}", forms[f"{text}_other"]).format(n=number)


def _locale(language: str) -> str:
    return "en_GB" if language == "en" else language
