"""The brand as templates see it: with colours that can be read, whatever the brand's own is."""

import re
from collections.abc import Mapping
from typing import Any

# The grounds of templates/_layouts on which links are hardest to read.
_LIGHT_GROUND, _DARK_GROUND = "#f3f4f6", "#2a3036"
_ENOUGH = 4.5  # WCAG 2.2, 1.4.3
_STEPS = 50
_DEFAULT = "#0b5cad"
_COLOUR = re.compile("#([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)

type _Rgb = tuple[float, float, float]


def complete_brand(brand: Mapping[str, Any]) -> dict[str, Any]:
    """With `on_colour`, for text on `colour`; `link_colour` and `dark_link_colour`, for links on
    light and on dark ground. Each has a contrast of 4.5 or more (WCAG 2.2 AA)."""
    colour = str(brand.get("colour"))
    colour = colour if _COLOUR.fullmatch(colour) else _DEFAULT
    own = _rgb(colour)
    white, black = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
    light_on_it = _contrast(own, white) >= _ENOUGH
    return {
        **brand,
        "colour": colour,
        "on_colour": "#ffffff" if light_on_it else "#000000",
        "link_colour": _hex(_readable(own, black, _rgb(_LIGHT_GROUND))),
        "dark_link_colour": _hex(_readable(own, white, _rgb(_DARK_GROUND))),
    }


def _readable(colour: _Rgb, towards: _Rgb, ground: _Rgb) -> _Rgb:
    """The colour, moved no further than it must be to be read on the ground."""
    for step in range(_STEPS + 1):
        share = step / _STEPS
        red, green, blue = (
            round((a + (b - a) * share) * 255) / 255 for a, b in zip(colour, towards, strict=True)
        )
        if _contrast((red, green, blue), ground) >= _ENOUGH:
            return red, green, blue
    return towards


def _rgb(text: str) -> _Rgb:
    digits = text.removeprefix("#")
    if len(digits) == 3:  # noqa: PLR2004 (#rgb)
        digits = "".join(2 * digit for digit in digits)
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def _hex(colour: _Rgb) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)


def _contrast(one: _Rgb, other: _Rgb) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: _Rgb) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
        for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
