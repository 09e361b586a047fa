"""Route templates of HTTP triggers: ASP.NET's syntax, matched as Azure's host does.

Literals match in any case; `{id}`, `{id?}`, `{id=7}`, `{id:int}`, `{*rest}`. Routes are tried in
the alphabetical order of their functions' names, not by how specific they are; a method that no
route takes is 404, as an unknown path is (azure-functions-host issues 9876 and 10098).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote
from uuid import UUID

from local.functions.bindings import BindingError, FunctionDefinition, HttpTrigger

_PARAMETER = re.compile(r"(?P<stars>\**)(?P<name>\w+)(?P<rest>.*)")
_RULE = re.compile(r"(?P<name>\w+)(?:\((?P<argument>.*)\))?")


@dataclass(frozen=True, slots=True)
class Route:
    """One function's template, compiled."""

    function: FunctionDefinition
    methods: frozenset[str] | None
    template: str
    pattern: re.Pattern[str]
    defaults: Mapping[str, str]
    checks: Mapping[str, Sequence[Callable[[str], bool]]]

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a path (raw, without leading slash), or None."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values = dict(self.defaults)
        for name, raw in found.groupdict().items():
            if raw is None or (raw == "" and name in values):
                continue
            value = unquote(raw)
            if not all(check(value) for check in self.checks.get(name, ())):
                return None
            values[name] = value
        return values


class Routes:
    """The routes of an app."""

    def __init__(self, functions: Sequence[FunctionDefinition], prefix: str) -> None:
        self.prefix = prefix
        self.routes = [
            compile_route(function, prefix)
            for function in sorted(functions, key=lambda function: function.name.lower())
            if isinstance(function.trigger, HttpTrigger)
        ]
        self._refuse_conflicts()

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a request; `path` as it came, still percent-encoded."""
        trimmed = path.strip("/")
        for route in self.routes:
            if route.methods is not None and method not in route.methods:
                continue
            parameters = route.match(trimmed)
            if parameters is not None:
                return route, parameters
        return None

    def shadowed(self) -> list[tuple[Route, Route]]:
        """Pairs (hidden, by): routes that an earlier, wider one keeps from being reached."""
        pairs: list[tuple[Route, Route]] = []
        for index, route in enumerate(self.routes):
            if "{" in route.template:
                continue
            for earlier in self.routes[:index]:
                methods_meet = (
                    earlier.methods is None
                    or route.methods is None
                    or bool(earlier.methods & route.methods)
                )
                if methods_meet and earlier.match(route.template) is not None:
                    pairs.append((route, earlier))
                    break
        return pairs

    def _refuse_conflicts(self) -> None:
        seen: dict[tuple[str, frozenset[str] | None], Route] = {}
        for route in self.routes:
            key = (route.template.lower(), route.methods)
            if key in seen:
                raise BindingError(
                    f"The functions '{seen[key].function.name}' and '{route.function.name}' have "
                    f"the same route '{route.template}': change one's route or methods."
                )
            seen[key] = route


# The host keeps these to itself, whatever the prefix.
_RESERVED = ("admin", "runtime")


def compile_route(function: FunctionDefinition, prefix: str) -> Route:
    """Compile a function's template below a prefix. Raises BindingError naming what is wrong."""
    assert isinstance(function.trigger, HttpTrigger)
    own = function.trigger.route.strip("/").lower()
    if own.startswith(_RESERVED):
        raise BindingError(
            f"The function '{function.name}' has the route '{own}', which Azure refuses: it "
            f"conflicts with built-in routes. Let it not begin with {' or '.join(_RESERVED)}."
        )
    template = "/".join(part for part in (prefix, function.trigger.route.strip("/")) if part)
    compiler = _Compiler(function.name, template)
    segments = compiler.segments()
    pattern = ""
    for number, (text, skippable) in enumerate(segments):
        slash = "/" if number else ""
        pattern += f"(?:{slash}{text})?" if skippable else f"{slash}{text}"
    return Route(
        function=function,
        methods=function.trigger.methods,
        template=template,
        pattern=re.compile(pattern),
        defaults=compiler.defaults,
        checks=compiler.checks,
    )


class _Compiler:
    def __init__(self, function: str, template: str) -> None:
        self._function = function
        self._template = template
        self.defaults: dict[str, str] = {}
        self.checks: dict[str, list[Callable[[str], bool]]] = {}

    def segments(self) -> list[tuple[str, bool]]:
        """Each segment's pattern, and whether it may be missing."""
        return [self._segment(segment) for segment in self._split()]

    def _split(self) -> list[str]:
        """Split at slashes outside braces: a regex constraint may hold one."""
        segments, depth = [""], 0
        for character in self._template:
            depth += (character == "{") - (character == "}")
            if character == "/" and depth == 0:
                segments.append("")
            else:
                segments[-1] += character
        return segments

    def _segment(self, text: str) -> tuple[str, bool]:
        pattern, skippable, parts = "", False, _parts(text)
        for part, in_braces in parts:
            if not in_braces:
                pattern += self._literal(part)
                continue
            parameter = _read_parameter(part)
            if parameter is None:
                raise self._error(f"has '{{{part}}}', which is no parameter")
            if parameter.name in self.checks:
                raise self._error(f"names the parameter '{parameter.name}' twice")
            self.checks[parameter.name] = [self._check(rule) for rule in parameter.rules]
            if parameter.default is not None:
                self.defaults[parameter.name] = parameter.default
            skippable = len(parts) == 1 and parameter.skippable
            pattern += f"(?P<{parameter.name}>{'.*' if parameter.rest else '[^/]+'})"
        return pattern, skippable

    def _literal(self, text: str) -> str:
        if "{" in text or "}" in text:
            raise self._error(f"has unmatched braces in '{text}'")
        return f"(?i:{re.escape(text)})" if text else ""

    def _check(self, rule: str) -> Callable[[str], bool]:
        match = _RULE.fullmatch(rule)
        maker = _CONSTRAINTS.get(match["name"].lower()) if match else None
        if match is None or maker is None:
            raise self._error(
                f"has the unknown constraint '{rule}': known are {', '.join(sorted(_CONSTRAINTS))}"
            )
        try:
            return maker(match["argument"] or "")
        except (ValueError, re.error) as error:
            raise self._error(f"has the unusable constraint '{rule}': {error}") from error

    def _error(self, what: str) -> BindingError:
        return BindingError(f"The route '{self._template}' of function '{self._function}' {what}.")


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    rules: Sequence[str]
    default: str | None
    skippable: bool
    rest: bool  # a catch-all: takes slashes


def _parts(text: str) -> list[tuple[str, bool]]:
    """A segment's literals and what stands in its braces (doubled ones belong to a regex)."""
    parts: list[tuple[str, bool]] = []
    position = 0
    while (start := text.find("{", position)) >= 0:
        end = start + 1
        while end < len(text) and (text[end] != "}" or text[end : end + 2] == "}}"):
            end += 2 if text[end : end + 2] == "}}" else 1
        if end >= len(text):
            break
        if start > position:
            parts.append((text[position:start], False))
        parts.append((text[start + 1 : end], True))
        position = end + 1
    if position < len(text):
        parts.append((text[position:], False))
    return parts


def _read_parameter(text: str) -> _Parameter | None:
    match = _PARAMETER.fullmatch(text)
    if match is None:
        return None
    rest, optional = match["rest"], match["rest"].endswith("?")
    rules, default = _split_default(rest.removesuffix("?"))
    if rules and not rules.startswith(":"):
        return None
    return _Parameter(
        name=match["name"],
        rules=_rules(rules),
        default=default,
        skippable=optional or default is not None or bool(match["stars"]),
        rest=bool(match["stars"]),
    )


def _split_default(text: str) -> tuple[str, str | None]:
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "=" and depth == 0:
            return text[:position], text[position + 1 :]
    return text, None


def _rules(text: str) -> list[str]:
    """Split `:int:min(1)` at colons outside parentheses."""
    rules: list[str] = []
    depth = 0
    for character in text:
        if character == ":" and depth == 0:
            rules.append("")
            continue
        depth += (character == "(") - (character == ")")
        rules[-1] += character
    return rules


def _accepts(read: Callable[[str], object]) -> Callable[[str], Callable[[str], bool]]:
    def check(value: str) -> bool:
        try:
            read(value)
        except ValueError:
            return False
        return True

    return lambda _argument: check


def _integer(bits: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        number = _int(value)
        if not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise ValueError(value)
        return number

    return read


def _int(value: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", value):
        raise ValueError(value)
    return int(value)


def _boolean(value: str) -> None:
    if value.lower() not in ("true", "false"):
        raise ValueError(value)


def _in_range(measure: Callable[[str], int], argument: str) -> Callable[[str], bool]:
    low, _, high = argument.partition(",")
    least, most = _int(low.strip()), _int((high or low).strip())

    def check(value: str) -> bool:
        try:
            return least <= measure(value) <= most
        except ValueError:
            return False

    return check


def _at_least(measure: Callable[[str], int], argument: str) -> Callable[[str], bool]:
    return _in_range(measure, f"{_int(argument.strip())},{2**63}")


def _at_most(measure: Callable[[str], int], argument: str) -> Callable[[str], bool]:
    return _in_range(measure, f"{-(2**63)},{_int(argument.strip())}")


def _matching(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern.replace("{{", "{").replace("}}", "}"), re.IGNORECASE)
    return lambda value: compiled.search(value) is not None


_CONSTRAINTS: Mapping[str, Callable[[str], Callable[[str], bool]]] = {
    "int": _accepts(_integer(32)),
    "long": _accepts(_integer(64)),
    "bool": _accepts(_boolean),
    "float": _accepts(float),
    "double": _accepts(float),
    "decimal": _accepts(float),
    "guid": _accepts(UUID),
    "datetime": _accepts(datetime.fromisoformat),
    "alpha": lambda _argument: _matching("^[a-z]*$"),
    "regex": _matching,
    "length": lambda argument: _in_range(len, argument),
    "minlength": lambda argument: _at_least(len, argument),
    "maxlength": lambda argument: _at_most(len, argument),
    "range": lambda argument: _in_range(_int, argument),
    "min": lambda argument: _at_least(_int, argument),
    "max": lambda argument: _at_most(_int, argument),
    "required": lambda _argument: bool,
}
