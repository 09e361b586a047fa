"""CSS as far as mail uses it: `<style>` elements and inline styles, and which rule wins.

Selectors of elements, classes and ids are understood, joined by descent (blanks and `>`); what
else there is (pseudo-classes, attributes, siblings) is passed over. All work is bounded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_CSS = 64 * 1024  # characters of all <style> elements together
MAX_RULES = 2000
MAX_STEPS = 200_000  # comparisons of selectors with elements

_COMPOUND = re.compile(r"(\*|[a-zA-Z][\w-]*)?((?:[.#][\w-]+)*)")
_MAX_COMPOUNDS = 8
_MAX_SELECTOR = 200

type Weight = tuple[bool, bool, tuple[int, int, int], int]


@dataclass(frozen=True, slots=True)
class Compound:
    """One step of a selector, such as `td.button`."""

    tag: str
    ids: frozenset[str]
    classes: frozenset[str]

    def fits(self, element: Any) -> bool:
        if self.tag and element.tag != self.tag:
            return False
        if self.ids and element.get("id") not in self.ids:
            return False
        return not self.classes or self.classes <= set((element.get("class") or "").split())

    @property
    def key(self) -> str:
        """Under which an element finds it."""
        if self.ids:
            return "#" + min(self.ids)
        return "." + min(self.classes) if self.classes else self.tag


@dataclass(frozen=True, slots=True)
class StyleRule:
    """A selector and what it declares: property to (value, important)."""

    compounds: tuple[Compound, ...]
    declared: Mapping[str, tuple[str, bool]]
    order: int
    dark: bool

    def specificity(self) -> tuple[int, int, int]:
        return (
            sum(len(c.ids) for c in self.compounds),
            sum(len(c.classes) for c in self.compounds),
            sum(bool(c.tag) for c in self.compounds),
        )


@dataclass(slots=True)
class StyleSheet:
    """All `<style>` elements of a mail."""

    rules: dict[str, list[StyleRule]] = field(default_factory=dict)
    size: int = 0
    count: int = 0
    steps: int = 0
    dark: bool = False  # it has a style for dark mode
    responsive: bool = False  # it asks for the width of the screen
    switches: bool = False  # media queries show or hide elements
    imports: int = 0
    whole: bool = True  # nothing was passed over for its size

    def add(self, css: str, *, media: str = "") -> None:
        """Reads one `<style>` element; `media` is its attribute."""
        import tinycss2  # noqa: PLC0415

        room = max(MAX_CSS - self.size, 0)
        if len(css) > room:
            css, self.whole = css[:room], False
        self.size += len(css)
        try:
            self._add(tinycss2.parse_stylesheet(css, True, True), media.strip().lower())  # noqa: FBT003
        except RecursionError:
            self.whole = False

    def _add(self, rules: list[Any], media: str, depth: int = 0) -> None:
        import tinycss2  # noqa: PLC0415

        for rule in rules:
            if self.count >= MAX_RULES:
                self.whole = False
                return
            self.count += 1
            match rule.type:
                case "at-rule" if rule.lower_at_keyword == "import":
                    self.imports += 1
                case "at-rule" if rule.lower_at_keyword == "media" and rule.content and depth < 4:  # noqa: PLR2004
                    inner = tinycss2.serialize(rule.prelude).strip().lower()
                    joined = f"{media} and {inner}" if media else inner
                    self._add(tinycss2.parse_rule_list(rule.content, True, True), joined, depth + 1)  # noqa: FBT003
                case "qualified-rule":
                    selectors = tinycss2.serialize(rule.prelude)
                    self._keep(selectors, read_declarations(rule.content), media)

    def _keep(self, selectors: str, declared: Mapping[str, tuple[str, bool]], media: str) -> None:
        dark = "prefers-color-scheme" in media and "dark" in media
        self.dark |= dark
        if "width" in media:
            self.responsive = True
        if not dark and media and media not in {"all", "screen", "only screen"}:
            self.switches |= "display" in declared
            if "prefers-color-scheme" not in media:
                return
        for selector in selectors.split(",", MAX_RULES)[:MAX_RULES]:
            self.count += 1
            if self.count >= MAX_RULES:
                self.whole = False
                return
            if compounds := read_selector(selector):
                rule = StyleRule(compounds, declared, self.count, dark)
                self.rules.setdefault(compounds[-1].key, []).append(rule)

    def declared(
        self, element: Any, inline: Mapping[str, tuple[str, bool]], *, dark: bool
    ) -> dict[str, str]:
        """What holds for an element, by property, without what it inherits."""
        best: dict[str, tuple[Weight, str]] = {}
        for rule in self._fitting(element, dark=dark):
            weight = rule.specificity()
            for name, (value, important) in rule.declared.items():
                rank = (important, False, weight, rule.order)
                if name not in best or rank >= best[name][0]:
                    best[name] = (rank, value)
        for name, (value, important) in inline.items():
            rank = (important, True, (0, 0, 0), 0)
            if name not in best or rank >= best[name][0]:
                best[name] = (rank, value)
        return {name: value for name, (_, value) in best.items()}

    def _fitting(self, element: Any, *, dark: bool) -> Iterator[StyleRule]:
        keys = [element.tag, "*", ""]
        keys += ("." + name for name in (element.get("class") or "").split()[:20])
        if identity := element.get("id"):
            keys.append("#" + identity)
        for key in dict.fromkeys(keys):
            for rule in self.rules.get(key, ()):
                if self.steps >= MAX_STEPS:
                    self.whole = False
                    return
                if (dark or not rule.dark) and self._fits(rule, element):
                    yield rule

    def _fits(self, rule: StyleRule, element: Any) -> bool:
        self.steps += 1
        *outer, own = rule.compounds
        if not own.fits(element):
            return False
        place = element.getparent()
        while outer and place is not None:
            self.steps += 1
            if outer[-1].fits(place):
                outer.pop()
            place = place.getparent()
        return not outer


def read_selector(selector: str) -> tuple[Compound, ...]:
    """The steps of a selector; () if it has what is not understood here."""
    if len(selector) > _MAX_SELECTOR:
        return ()
    compounds = []
    for step in selector.replace(">", " ").split()[: _MAX_COMPOUNDS + 1]:
        match = _COMPOUND.fullmatch(step)
        if match is None:
            return ()
        names = re.findall(r"[.#][\w-]+", match.group(2))
        compounds.append(
            Compound(
                tag="" if match.group(1) in {None, "*"} else match.group(1).lower(),
                ids=frozenset(n[1:] for n in names if n[0] == "#"),
                classes=frozenset(n[1:] for n in names if n[0] == "."),
            )
        )
    return tuple(compounds) if len(compounds) <= _MAX_COMPOUNDS else ()


def read_declarations(css: Any) -> dict[str, tuple[str, bool]]:
    """Declarations of a block or a style attribute: property to (value, important); the last wins,
    unless one before it is important."""
    import tinycss2  # noqa: PLC0415

    found: dict[str, tuple[str, bool]] = {}
    try:
        for entry in tinycss2.parse_blocks_contents(css, True, True):  # noqa: FBT003
            if entry.type != "declaration":
                continue
            if entry.important or not found.get(entry.lower_name, ("", False))[1]:
                value = tinycss2.serialize(entry.value).strip().lower()
                found.pop(entry.lower_name, None)
                found[entry.lower_name] = (value, entry.important)
    except RecursionError:
        return {}
    return found
