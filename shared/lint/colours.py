"""Colours of CSS, and their contrast (WCAG 2.2, relative luminance and contrast ratio)."""

import re
from dataclasses import dataclass

_LONGEST = 60  # characters of a value that can be a colour
_NAMES = re.compile(r"(?<![\w-])(?:#[0-9a-f]{3,8}|(?:rgba?|hsla?)\([^()]{1,50}\)|[a-z]+)(?![\w-])")


@dataclass(frozen=True, slots=True)
class Colour:
    """An sRGB colour; each part from 0 to 1."""

    red: float
    green: float
    blue: float
    alpha: float = 1.0

    def over(self, ground: "Colour") -> "Colour":
        """What it looks like on an opaque ground."""
        if self.alpha >= 1:
            return self
        mine, other = self.alpha, 1 - self.alpha
        return Colour(
            self.red * mine + ground.red * other,
            self.green * mine + ground.green * other,
            self.blue * mine + ground.blue * other,
        )

    def luminance(self) -> float:
        red, green, blue = (_linear(part) for part in (self.red, self.green, self.blue))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def __str__(self) -> str:
        return "#" + "".join(
            f"{round(part * 255):02x}" for part in (self.red, self.green, self.blue)
        )


WHITE, BLACK = Colour(1, 1, 1), Colour(0, 0, 0)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004


def contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio of two opaque colours, 1 to 21."""
    low, high = sorted((one.luminance(), other.luminance()))
    return (high + 0.05) / (low + 0.05)


def read_colour(value: str) -> Colour | None:
    """The colour of a CSS value or a bgcolor attribute; None if it is none that is known here."""
    import tinycss2.color4  # noqa: PLC0415

    value = value.strip()
    if not value or len(value) > _LONGEST:
        return None
    if re.fullmatch(r"[0-9a-fA-F]{6}", value):
        value = f"#{value}"  # old attributes leave the number sign out
    try:
        colour = tinycss2.color4.parse_color(value)
        if colour is None or isinstance(colour, str):
            return None
        if colour.space not in {"srgb", "hsl", "hwb"}:
            return None
        red, green, blue, *_ = colour.to("srgb").coordinates
        alpha = 1.0 if colour.alpha is None else float(colour.alpha)
    except (ValueError, TypeError, ArithmeticError, NotImplementedError):
        return None
    return Colour(_unit(red), _unit(green), _unit(blue), _unit(alpha))


def _unit(part: float | None) -> float:
    return min(max(float(part or 0), 0.0), 1.0)


def colour_within(value: str) -> Colour | None:
    """The first colour in a shorthand such as `background: #fff no-repeat`."""
    for match in _NAMES.finditer(value[:200]):
        if colour := read_colour(match.group()):
            return colour
    return None
