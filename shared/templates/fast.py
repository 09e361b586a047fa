"""The fast way: MJML, CSS and plain text are made once for all data, Jinja within them.

Statements stand as tokens in comments, expressions as tokens in text, while the markup is
converted; then each token becomes what it stood for, and the result is compiled. A template for
which that could give another mail than the slow way is left to the slow way.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from jinja2 import meta, pass_context
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.nodes import Name
from jinja2.runtime import Context

from shared.errors import TemplateError
from shared.templates.components import INDEPENDENT_CHILDREN
from shared.templates.environment import Environment
from shared.templates.filters import LocalFilters
from shared.templates.held import COMMENT_OR_TOKEN, as_address, as_link, as_text, token
from shared.templates.markup import MarkupReader
from shared.templates.plain import finish_text
from shared.templates.positions import Placed
from shared.templates.program import Program
from shared.templates.source import Piece

if TYPE_CHECKING:
    from shared.templates.rendering import Rendering

_DELIMITERS = {
    "variable_start_string": "\ue002", "variable_end_string": "\ue003",
    "block_start_string": "\ue004", "block_end_string": "\ue005",
    "comment_start_string": "\ue006", "comment_end_string": "\ue007",
}  # fmt: skip

_CONSTANTS = frozenset(["brand", "texts", "language"])

# What makes markup of values, or calls itself: its place in the tree is not known beforehand.
_MARKUP_MAKERS = re.compile(r"\b(safe|urlize|xmlattr|caller|loop\s*\()")
_BODIES = frozenset(["macro", "call", "filter", "set"])
_UNKNOWN = frozenset(["import", "from", "autoescape", "call", "filter", "extends", "include"])
_BEGIN = frozenset(["if", "for", "with", "macro", "set"])
_SCOPES = frozenset(["set", "with", "endwith"])
# Selectors that ask for an element's neighbours, which statements add and remove.
_NEIGHBOURS = re.compile(r":(nth|first|last|only|empty|has|not)|[+~][^={}]*\{")
_UNSEEN = re.compile(r"<head>.*?</head>|<tbody>\s*</tbody>", re.DOTALL)
# Blanks at the edge of a block, which no line shows.
_EDGES = re.compile(
    r"(</?(?:table|thead|tbody|tr|t[dh]|div|p|h[1-6]|[uo]l|li)\b[^<>]*>)\s+(?=<)", re.IGNORECASE
)
_CAPTIONS = frozenset(["mj-title", "mj-preview", "title", "textarea"])

# What is printed goes through filters, or through `finalize`: the sandbox need not look at those.
_OUTPUTS = {
    "text": "({})",
    "comment": "({})",
    "link": "({}) | _link",
    "address": "({}) | _address",
}


@pass_context
def _print_text(_context: Context, value: Any) -> str:
    return as_text(value)


class _SlowError(Exception):
    """The template is one for the slow way."""


class FastWay:
    """The converted sources, compiled."""

    def __init__(self, html: Program, text: Program | None) -> None:
        self._html, self._text = html, text

    def bodies(
        self, values: Mapping[str, Any], filters: LocalFilters, limit: int
    ) -> tuple[str, str]:
        """HTML and plain text for one recipient; as the slow way makes them."""
        html = self._html.render(values, filters, limit)
        text = self._text.render(values, filters, limit) if self._text is not None else ""
        return html, finish_text(text) if self._text is not None else ""


def build_fast_way(rendering: "Rendering") -> FastWay | None:
    """None where only the slow way is sure to be right."""
    try:
        return _Staging(rendering).build()
    except (_SlowError, TemplateError, JinjaError):
        return None


def essence(html: str) -> str:
    """HTML without what may differ between the two ways and is never seen.

    mrml writes a head with styles and fonts of the components that are there: the fast way has
    those of all that may be there. And there is a tbody around a loop, though it makes no row. Of
    the blanks around statements each keeps others.
    """
    return _EDGES.sub(r"\1", _UNSEEN.sub("", html))


class _Staging:
    def __init__(self, rendering: "Rendering") -> None:
        self._rendering = rendering
        self._tokens: list[Placed] = []
        self._before: list[Placed] = []
        self._after: list[Placed] = []

    def build(self) -> FastWay:
        self._refuse_the_unknown()
        source = "".join(self._staged())
        html, text = self._rendering.convert(source)
        self._check_order(html)
        self._check_nesting(html)
        own_text = self._rendering.has_own_text
        if not own_text and self._content(text) != self._content(html):
            raise _SlowError
        return FastWay(
            self._program(html),
            None if own_text else self._program(
                _joined_lines(text, self._is_statement), finalize=_print_text
            ),
        )  # fmt: skip

    def _refuse_the_unknown(self) -> None:
        body = ""
        statements = False
        for placed in self._rendering.placed:
            piece = placed.piece
            if piece.kind == "raw" or _MARKUP_MAKERS.search(piece.code):
                raise _SlowError
            if piece.kind == "statement":
                statements = True
                if piece.word in _UNKNOWN or piece.code.endswith("recursive"):
                    raise _SlowError
                if piece.word == "macro" or (piece.word == "set" and "=" not in piece.code):
                    body = f"end{piece.word}"
                elif piece.word == body:
                    body = ""
            elif piece.kind == "data" and body and "<" in piece.text:
                raise _SlowError
        if statements and _NEIGHBOURS.search("\n".join(self._rendering.reader.raw)):
            raise _SlowError

    def _staged(self) -> Iterator[str]:
        started = False
        for placed in self._rendering.placed:
            if placed.piece.kind == "data":
                started = started or "<" in placed.piece.text
                yield placed.piece.text
            elif placed.piece.kind == "expression":
                yield self._expression(placed)
            elif self._rendering.is_mjml and not placed.parents and placed.kind == "text":
                (self._after if started else self._before).append(placed)
            else:
                yield self._statement(placed)

    def _token(self, placed: Placed) -> str:
        self._tokens.append(placed)
        return token(len(self._tokens) - 1)

    def _expression(self, placed: Placed) -> str:
        if placed.kind == "plain":
            return self._constant(placed)
        if placed.kind == "part" or (self._rendering.is_mjml and not placed.parents):
            raise _SlowError
        return self._token(placed)

    def _constant(self, placed: Placed) -> str:
        """The value of an expression that is the same for all recipients."""
        rendering = self._rendering
        source = "{{ _plain((" + placed.piece.code + ")) }}"
        tree = rendering.marked.parse(source)
        names = meta.find_undeclared_variables(tree) - {"_plain"}
        if not names <= _CONSTANTS or self._shadowed or "|" in placed.piece.code:
            raise _SlowError
        values = {"brand": rendering.brand, "texts": rendering.texts}
        template = rendering.marked.from_string(source)
        return template.render(**values, language=rendering.language)

    @property
    def _shadowed(self) -> bool:
        """Whether the template gives one of the constants' names to something else."""
        source = "".join(p.piece.text for p in self._rendering.placed)
        tree = self._rendering.marked.parse(source)
        return any(n.name in _CONSTANTS and n.ctx != "load" for n in tree.find_all(Name))

    def _statement(self, placed: Placed) -> str:
        if placed.kind in {"text", "link", "address"} and (
            placed.attribute or (placed.parents and placed.parents[-1] in _CAPTIONS)
        ):
            return self._token(placed)
        if placed.kind == "text" and placed.in_content:
            return f"<!--{self._token(placed)}-->"
        if placed.kind == "part":
            parent = placed.parents[-1]
            if parent in INDEPENDENT_CHILDREN or (
                placed.piece.word in _SCOPES and parent in {"mj-section", "mj-wrapper", "mj-group"}
            ):
                return f"<mj-raw><!--{self._token(placed)}--></mj-raw>"
        raise _SlowError

    def _is_statement(self, number: int) -> bool:
        return self._tokens[number].piece.kind == "statement"

    def _check_order(self, html: str) -> None:
        """Each statement is there just once: in its order, or with the others of its attribute,
        which mrml may put before another attribute."""
        found = self._statements(html)
        wanted = [n for n in range(len(self._tokens)) if self._is_statement(n)]
        if sorted(found) != wanted:
            raise _SlowError
        together = [list(group) for _, group in groupby(found, self._attribute)]
        expected = [list(group) for _, group in groupby(wanted, self._attribute)]
        content = self._content(html)
        if content != sorted(content) or sorted(together) != expected:
            raise _SlowError

    def _statements(self, converted: str) -> list[int]:
        numbers = (int(m[1] or m[2]) for m in COMMENT_OR_TOKEN.finditer(converted))
        return [n for n in numbers if self._is_statement(n)]

    def _content(self, converted: str) -> list[int]:
        """The statements outside of attributes; captions are no text of the mail."""
        return [
            n for n in self._statements(converted)
            if not self._tokens[n].attribute and self._tokens[n].parents[-1:] != ("title",)
        ]  # fmt: skip

    def _attribute(self, number: int) -> tuple[int, str]:
        """The attribute that a token stands in; the same for all in content."""
        placed = self._tokens[number]
        return (placed.tag, placed.attribute) if placed.attribute else (0, "")

    def _check_nesting(self, html: str) -> None:
        """The statements of one block all stand within the very same element."""
        reader = MarkupReader()
        blocks: list[list[int]] = []
        end = 0
        for found in COMMENT_OR_TOKEN.finditer(html):
            reader.feed(html[end : found.start()], "", 1)
            end = found.end()
            placed = self._tokens[int(found[1] or found[2])]
            word = placed.piece.word
            if placed.piece.kind != "statement" or (word == "set" and "=" in placed.piece.code):
                continue
            place = [id(tag) for tag in reader.stack]
            if word in _BEGIN:
                blocks.append(place)
            elif not blocks or blocks[-1] != place:
                raise _SlowError
            if word.startswith("end"):
                blocks.pop()

    def _program(self, converted: str, finalize: Callable[..., Any] | None = None) -> Program:
        """finalize: for plain text; without it values are escaped as in HTML."""
        environment = Environment(
            limit=self._rendering.limit, autoescape=finalize is None, trim=False, **_DELIMITERS
        )
        environment.finalize = finalize or environment.finalize
        environment.filters.update(LocalFilters("en", "UTC").filters)
        environment.filters.update(_link=as_link, _address=as_address)

        def source_of(placed: Placed) -> str:
            code = placed.piece.code
            if placed.piece.kind == "statement":
                return f"\ue004 {code} \ue005"
            return f"\ue002 {_OUTPUTS[placed.kind].format(code)} \ue003"

        def put_back(found: re.Match[str]) -> str:
            return source_of(self._tokens[int(found[1] or found[2])])

        before = "".join(map(source_of, self._before))
        after = "".join(map(source_of, self._after))
        source = before + COMMENT_OR_TOKEN.sub(put_back, converted) + after
        origin = Piece("data", source, self._rendering.body_file, 1)
        return Program(environment, [origin], [source])


def _joined_lines(text: str, is_statement: Any) -> str:
    """Lines of nothing but statements make no line."""
    joined = []
    for line in text.split("\n"):
        found = [int(m[1] or m[2]) for m in COMMENT_OR_TOKEN.finditer(line)]
        alone = (
            found and all(map(is_statement, found)) and not COMMENT_OR_TOKEN.sub("", line).strip()
        )
        joined.append(line.strip() if alone else line + "\n")
    return "".join(joined)
