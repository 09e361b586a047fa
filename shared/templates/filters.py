"""Filters for what languages write differently: dates, money, numbers, plurals, lists.

All take JSON's values: dates and times as RFC 3339 strings (or seconds since 1970), numbers as
numbers or as strings of digits (money is best sent so). The language and time zone are the
recipient's.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, dates, lists, numbers
from jinja2.exceptions import FilterArgumentError
from markupsafe import Markup, escape

_LISTS = ("standard", "standard-short", "or", "or-short", "unit", "unit-short", "unit-narrow")
_MAX_DIGITS = 60
_DATE = len("2026-12-01")


class LocalFilters:
    """The filters for one language and zone, by name in `filters`."""

    def __init__(self, language: str, zone: str) -> None:
        self.locale = Locale.parse(language, sep="-")
        self._zone: tzinfo = ZoneInfo(zone) if zone != "UTC" else UTC
        # The same prices and dates come up again and again: 500 mails of one template.
        self._money = lru_cache(maxsize=4096)(self._format_money)
        self._number = lru_cache(maxsize=4096)(self._format_number)
        self._moment = lru_cache(maxsize=4096)(self._format_moment)

    @property
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "date": self.date, "time": self.time, "datetime": self.datetime,
            "money": self.money, "number": self.number, "percent": self.percent,
            "plural": self.plural, "listing": self.listing, "line_breaks": line_breaks,
        }  # fmt: skip

    def date(self, value: Any, style: str = "long", zone: str = "") -> str:
        """`{{ due | date }}` 1 December 2026. style: short, medium, long, full, a CLDR pattern."""
        return self._moment("date", _hashable(value), style, zone)

    def time(self, value: Any, style: str = "short", zone: str = "") -> str:
        """`{{ starts | time }}` 8:00 AM; `time("full")` names the zone too."""
        return self._moment("time", _hashable(value), style, zone)

    def datetime(self, value: Any, style: str = "long", zone: str = "") -> str:
        """`{{ sent | datetime }}` 1 December 2026 at 08:00:00 CET."""
        return self._moment("datetime", _hashable(value), style, zone)

    def _format_moment(self, kind: str, value: Any, style: str, zone: str) -> str:
        place = self._zone if not zone else _zone(zone)
        moment = _moment(value)
        if isinstance(moment, datetime):
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=place)).astimezone(place)
        if kind == "date":
            return dates.format_date(moment, style, locale=self.locale)
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, time(), tzinfo=place)
        if kind == "time":
            return dates.format_time(moment, style, tzinfo=place, locale=self.locale)
        return dates.format_datetime(moment, style, tzinfo=place, locale=self.locale)

    def money(self, value: Any, currency: str = "", digits: int | None = None) -> str:
        """`{{ total | money("EUR") }}` €1,234.50; the currency's own number of decimals.

        The value may be an object {"amount": …, "currency": "EUR"}.
        """
        if isinstance(value, Mapping):
            value, currency = value.get("amount"), str(value.get("currency") or currency)
        if not re.fullmatch("[A-Z]{3}", currency):
            raise FilterArgumentError('money needs a currency: {{ total | money("EUR") }}')
        return self._money(_number(value), currency, digits)

    def _format_money(self, value: Decimal, currency: str, digits: int | None) -> str:
        if digits is None:
            return numbers.format_currency(value, currency, locale=self.locale)
        pattern = re.sub(
            r"0(\.0+)?", "0." + "0" * digits if digits else "0",
            self.locale.currency_formats["standard"].pattern,
        )  # fmt: skip
        return numbers.format_currency(
            value, currency, format=pattern, currency_digits=False, locale=self.locale
        )

    def number(self, value: Any, digits: int | None = None) -> str:
        """`{{ visitors | number }}` 1,234.5; `number(2)` with just two decimals."""
        return self._number(_number(value), digits, percent=False)

    def percent(self, value: Any, digits: int = 0) -> str:
        """`{{ 0.256 | percent }}` 26 %."""
        return self._number(_number(value), digits, percent=True)

    def _format_number(self, value: Decimal, digits: int | None, *, percent: bool) -> str:
        if digits is None:
            return str(numbers.format_decimal(value, locale=self.locale))
        if not 0 <= digits <= 12:  # noqa: PLR2004
            raise FilterArgumentError("digits go from 0 to 12")
        decimals = "0." + "0" * digits if digits else "0"
        if not percent:
            return str(numbers.format_decimal(value, f"#,##{decimals}", locale=self.locale))
        pattern = re.sub(r"0(\.0+)?", decimals, str(self.locale.percent_formats[None].pattern))
        return numbers.format_percent(value, pattern, locale=self.locale)

    def plural(self, count: Any, forms: Mapping[str, str] | None = None, **more: str) -> str:
        """`{{ n | plural(one="# item", other="# items") }}`, or with a mapping of `texts`.

        The forms are CLDR's: zero, one, two, few, many, other. `#` stands for the number, and the
        form `0` (in a mapping) or `none` for just no item.
        """
        number = _number(count)
        choices = {**(forms or {}), **more}
        name = self.locale.plural_form(number)
        if number == 0:
            name = next((n for n in ("0", "none") if n in choices), name)
        text = choices.get(name, choices.get("other"))
        if text is None:
            raise FilterArgumentError('plural needs the form "other"')
        return str(text).replace("#", self.number(number))

    def listing(self, values: Iterable[Any], style: str = "standard") -> str:
        """`{{ names | listing }}` Ana, Ben and Cem; style: standard, or (Ana, Ben or Cem), unit."""
        if style not in _LISTS:
            raise FilterArgumentError(f"listing knows {', '.join(_LISTS)}")
        chosen: Any = style
        return lists.format_list([str(v) for v in values], style=chosen, locale=self.locale)


class LineBreaks(Markup):
    """Text of several lines, as HTML; `plain` as it was."""

    plain: str


def line_breaks(value: Any) -> LineBreaks:
    """`{{ note | line_breaks }}` text of several lines, each on a line of its own in HTML."""
    lines = str(value).splitlines()
    made = LineBreaks(Markup("<br>").join(escape(line) for line in lines))
    made.plain = "\n".join(lines)
    return made


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else str(value)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise FilterArgumentError(f"{name[:60]!r} is no time zone (IANA)") from None


def _moment(value: Any) -> datetime | date:
    text = str(value).strip()
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        return date.fromisoformat(text) if len(text) <= _DATE else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise FilterArgumentError(
            f"{text[:60]!r} is no date or time such as 2026-12-01 or 2026-12-01T08:00:00Z"
        ) from None


def _number(value: Any) -> Decimal:
    try:
        number = Decimal("NaN" if isinstance(value, bool) else str(value))
    except InvalidOperation:
        raise FilterArgumentError(f"{str(value)[:60]!r} is no number") from None
    if not number.is_finite() or abs(number.adjusted()) > _MAX_DIGITS:
        raise FilterArgumentError(f"{str(value)[:60]!r} is no number that can be written out")
    return number
