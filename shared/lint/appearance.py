"""How an element looks: what it declares, and what it inherits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.lint.colours import BLACK, WHITE, Colour, colour_within, read_colour

_SIZES = {
    "xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0,
    "x-large": 24.0, "xx-large": 32.0,
}  # fmt: skip
_FONT_SIZES = (10.0, 13.0, 16.0, 18.0, 24.0, 32.0, 48.0)  # <font size="1"> to "7"
_HEADINGS = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "h4": 1.0, "h5": 0.83, "h6": 0.67}
_BOLD = {"b", "strong", "th", *_HEADINGS}
_UNITS = {"px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 9.6 / 2.54}
_LENGTH = re.compile(r"(-?\d{0,6}(?:\.\d{1,6})?)(px|pt|pc|in|cm|mm|em|rem|%|)")
_LINK = Colour(0, 0, 238 / 255)


@dataclass(frozen=True, slots=True)
class Appearance:
    """Colours, size (px) and line height (px) of text; `hidden` says by what it is hidden.

    `ground` is None where it cannot be known: a picture or a gradient lies behind.
    """

    colour: Colour = BLACK
    ground: Colour | None = WHITE
    size: float = 16.0
    line: float | None = None
    bold: bool = False
    hidden: str = ""

    def inside(self, element: Any, declared: Mapping[str, str]) -> "Appearance":
        """The appearance of an element within this one."""
        size = _size(element, declared, self.size)
        style = replace(
            self,
            size=size,
            line=_line(declared, size, self.line),
            bold=_bold(element.tag, declared, self.bold),
            ground=_ground(element, declared, self.ground),
            hidden=self.hidden or _hidden(declared),
        )
        return replace(style, colour=_colour(element, declared, style))


def length(value: str | None, em: float = 16.0) -> float | None:
    """A CSS length, or a number in an attribute, in px; None for what is relative or none."""
    match = _LENGTH.fullmatch((value or "").strip().removesuffix("!important").strip())
    if match is None or not match.group(1).strip("-."):
        return None
    number, unit = float(match.group(1)), match.group(2)
    if unit == "%":
        return None
    return number * {"em": em, "rem": 16.0, "": 1.0}.get(unit, _UNITS.get(unit, 1.0))


def padding(declared: Mapping[str, str], em: float) -> float:
    """Padding above and below together, in px."""
    sides = declared.get("padding", "").split()
    top = sides[0] if sides else ""
    bottom = sides[2] if len(sides) > 2 else top  # noqa: PLR2004
    top = declared.get("padding-top", top)
    bottom = declared.get("padding-bottom", bottom)
    return (length(top, em) or 0.0) + (length(bottom, em) or 0.0)


def _size(element: Any, declared: Mapping[str, str], outer: float) -> float:
    value = declared.get("font-size", "")
    if not value and (font := declared.get("font")):
        value = next((p for p in font.split() if re.match(r"\d", p)), "").partition("/")[0]
    if not value:
        if element.tag == "font" and (element.get("size") or "") in set("1234567"):
            return _FONT_SIZES[int(element.get("size")) - 1]
        scale = 0.83 if element.tag in {"small", "sub", "sup"} else _HEADINGS.get(element.tag, 1.0)
        return outer * scale
    if value in _SIZES:
        return _SIZES[value]
    if value.endswith("%"):
        share = length(value.removesuffix("%"))
        return outer if share is None else outer * share / 100
    if value in {"smaller", "larger"}:
        return outer / 1.2 if value == "smaller" else outer * 1.2
    found = length(value, outer)
    return outer if found is None or found < 0 else found


def _line(declared: Mapping[str, str], size: float, outer: float | None) -> float | None:
    value = declared.get("line-height", "")
    if re.fullmatch(r"\d{0,3}(\.\d{1,4})?", value) and value.strip("."):
        return float(value) * size
    if value.endswith("%"):
        share = length(value.removesuffix("%"))
        return outer if share is None else size * share / 100
    return length(value, size) if value else outer


def _bold(tag: str, declared: Mapping[str, str], outer: bool) -> bool:  # noqa: FBT001
    weight = declared.get("font-weight", "")
    if weight.isdecimal():
        return int(weight[:5]) >= 700  # noqa: PLR2004
    if weight in {"bold", "bolder", "normal", "lighter"}:
        return weight.startswith("bold")
    return outer or tag in _BOLD


def _ground(element: Any, declared: Mapping[str, str], outer: Colour | None) -> Colour | None:
    short = declared.get("background", "")
    image = declared.get("background-image", "")
    if "url(" in short or "gradient(" in short or "url(" in image or "gradient(" in image:
        return None
    if element.get("background"):
        return None
    value = declared.get("background-color", "")
    if value:
        found = read_colour(value)
    elif short:
        found = read_colour(short) or colour_within(short)
    else:
        found = read_colour(element.get("bgcolor") or "")
    if found is None or found.alpha == 0:
        return outer
    if found.alpha < 1:
        return None if outer is None else found.over(outer)
    return found


def _colour(element: Any, declared: Mapping[str, str], style: Appearance) -> Colour:
    if "color" in declared:
        found = read_colour(declared["color"])
    elif element.tag == "font":
        found = read_colour(element.get("color") or "")
    elif element.tag == "body":
        found = read_colour(element.get("text") or "")
    elif element.tag == "a" and element.get("href"):
        found = _LINK
    else:
        found = None
    return style.colour if found is None else found


def _hidden(declared: Mapping[str, str]) -> str:
    if declared.get("display") == "none":
        return "display: none"
    if declared.get("visibility") in {"hidden", "collapse"}:
        return "visibility: hidden"
    if length(declared.get("opacity")) == 0:
        return "opacity: 0"
    if length(declared.get("max-height")) == 0 and declared.get("overflow") == "hidden":
        return "max-height: 0"
    return ""
