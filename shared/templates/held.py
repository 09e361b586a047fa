"""Values held back while the markup around them is converted.

Data never passes through MJML, CSS or a parser of HTML: each value stands as a token that nobody
outside of this process can know, and is put in, escaped, when all else is done. Tokens are plain
letters and digits: mrml writes other characters of an attribute as Rust would in source code.
"""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Undefined
from markupsafe import Markup, escape

from shared.errors import TemplateError
from shared.templates.filters import LineBreaks

_MARK = f"held{secrets.token_hex(8)}n"
TOKEN = re.compile(rf"{_MARK}(\d+)z")
COMMENT = re.compile(rf"<!--({_MARK}\d+z)-->")
COMMENT_OR_TOKEN = re.compile(rf"<!--{_MARK}(\d+)z-->|{_MARK}(\d+)z")
PRIVATE = re.compile("[\ue000-\ue00f]")

_SCHEMES = frozenset(["http", "https", "mailto", "tel", "sms", "cid"])
_SCHEME = re.compile(r"[\s\x00-\x20]*([A-Za-z][A-Za-z0-9+.\s\x00-\x20-]*):")
# A colour, length or name: what an attribute of MJML or a declaration of CSS may be made from.
_PLAIN = re.compile(r"(?:[\w#%.,+/ -]|\b(?:rgb|hsl)a?\([\d.,%/ ]*\))*")
_BLANK = re.compile(r"\s")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def token(number: int) -> str:
    return f"{_MARK}{number}z"


def clean(text: str) -> str:
    """Without what no mail may hold: control characters, and halves of surrogate pairs."""
    return _CONTROLS.sub("", text)


@dataclass(frozen=True, slots=True)
class HeldValue:
    """A value as it stands in HTML, escaped, and in plain text."""

    html: str
    text: str


def as_text(value: Any) -> str:
    """A value as plain text; line breaks stay only where the template asks for them."""
    if isinstance(value, LineBreaks):
        return PRIVATE.sub("", value.plain)
    if value is None:
        return ""
    if isinstance(value, Markup):
        value = value.striptags()
    text = " ".join(str(value).split())
    return text if text.isascii() else PRIVATE.sub("", text)


def as_link(value: Any) -> str:
    """A link's target. Raises TemplateError for a scheme that has no place in a mail."""
    target = "" if value is None else str(value).strip()
    found = _SCHEME.match(target)
    scheme = re.sub(r"[\s\x00-\x20]", "", found[1]).lower() if found else ""
    if found and scheme not in _SCHEMES:
        raise TemplateError(
            f"A link's target has the scheme {scheme[:30]}:.",
            fix=f"Give an address with one of {', '.join(sorted(_SCHEMES))}.",
        )
    return as_address(target)


def as_address(value: Any) -> str:
    """A value within a link's target: blanks would end it in plain text."""
    return _BLANK.sub("%20", PRIVATE.sub("", clean("" if value is None else str(value))))


def as_plain(value: Any) -> str:
    """A value for an attribute that is no text: a colour, a length, a name."""
    text = "" if value is None else str(value)
    if isinstance(value, Undefined) or not _PLAIN.fullmatch(text):
        raise TemplateError(
            "A value in an attribute that is no text, or in CSS, holds more than a colour, a "
            "length or a name.",
            fix="Give letters, digits and # % . , - alone.",
        )
    return text


class Holder:
    """The functions that the converted sources call, and what they hold."""

    def __init__(self) -> None:
        self.values: list[HeldValue] = []

    @property
    def functions(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "_hold": self.hold, "_link": self.link, "_address": self.address, "_plain": as_plain,
            "_part": self.part,
        }  # fmt: skip

    def _keep(self, html: str, text: str) -> Markup:
        self.values.append(HeldValue(html, text))
        return Markup(token(len(self.values) - 1))  # noqa: S704 (letters and digits)

    def hold(self, value: Any) -> Any:
        """A value in text, or in an attribute that is text. Markup goes its way with the rest."""
        if isinstance(value, Markup) and not isinstance(value, LineBreaks):
            if "<" in value or _MARK in value:
                return value
        elif value is None:
            return ""
        return self._keep(str(escape(value)), as_text(value))

    def link(self, value: Any) -> Any:
        """A value that begins a link's target."""
        if isinstance(value, Markup) and _MARK in value:
            return value
        target = as_link(value)
        return self._keep(str(escape(target)), target)

    def address(self, value: Any) -> Any:
        """A value further on in a link's target."""
        if isinstance(value, Markup) and _MARK in value:
            return value
        target = as_address(value)
        return self._keep(str(escape(target)), target)

    def part(self, value: Any) -> Any:
        """What stands between components: markup that a macro made."""
        if isinstance(value, Markup):
            return value
        if str(value).strip():
            raise TemplateError(
                "Text stands between components.", fix="Put it into <mj-text> … </mj-text>."
            )
        return ""

    def put_in(self, html: str, text: str) -> tuple[str, str]:
        """Both with the held values in their places."""
        return put_in(html, [v.html for v in self.values]), put_in(
            text, [v.text for v in self.values]
        )


def put_in(source: str, values: Sequence[str]) -> str:
    """The source with each token replaced; what a value holds is never looked at."""
    return TOKEN.sub(lambda m: values[int(m[1])], source)
