"""A template's sources in pieces, and layouts, blocks and includes resolved to one flat source.

Layouts and partials are named by plain strings, so all is known before any data comes: a cycle or
an explosion of includes is found at validation, and MJML can be converted once.

Differences to plain Jinja: a block sees the variables of the loop around it; super() stands alone
in its `{{ super() }}`.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from jinja2 import Environment
from jinja2.exceptions import TemplateSyntaxError

from shared.errors import TemplateError, TemplateLimitError

MAX_SOURCE = 512 * 1024  # characters of a flat source
MAX_DEPTH = 20  # layouts and includes within each other

_DEFINITIONS = {"set": "endset", "macro": "endmacro", "import": "", "from": ""}


@dataclass(frozen=True, slots=True)
class Piece:
    """Text, `{{ expression }}` or `{% statement %}` as it stands in its file.

    code: what is between the braces. word: a statement's first name. line: of its first character.
    """

    kind: Literal["data", "expression", "statement", "raw"]
    text: str
    file: str
    line: int
    code: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A `{% block %}` and what is in it."""

    name: str
    items: list["Piece | Block"]
    line: int


Items = list[Piece | Block]


@dataclass(slots=True)
class _Parsed:
    """One file. parent: the layout that it extends, "" for none."""

    parent: str = ""
    parent_line: int = 0
    items: Items = field(default_factory=list)


def cut(environment: Environment, source: str, file: str) -> list[Piece]:
    """The pieces of a source, without comments. Raises TemplateError where Jinja cannot read it."""
    pieces: list[Piece] = []
    begun: list[str] = []
    start, raw = 1, False
    try:
        for line, kind, value in environment.lex(source, file, file):
            match kind:
                case "data" if raw:
                    pieces.append(Piece("raw", value, file, line))
                case "data":
                    pieces.append(Piece("data", value, file, line))
                case "raw_begin" | "raw_end":
                    raw = kind == "raw_begin"
                case "variable_begin" | "block_begin":
                    begun, start = [value], line
                case "variable_end" | "block_end":
                    code = "".join(begun[1:]).strip()
                    whole = "".join(begun) + value
                    sort: Literal["expression", "statement"] = (
                        "expression" if kind == "variable_end" else "statement"
                    )
                    word = code.split(None, 1)[0] if code else ""
                    pieces.append(Piece(sort, whole, file, start, code, word))
                    begun = []
                case "comment_begin" | "comment" | "comment_end":
                    pass
                case _:
                    begun.append(value)
    except TemplateSyntaxError as error:
        raise _syntax_error(error, file) from None
    if begun:
        raise TemplateError(
            f"A {begun[0]} is not closed.", fix="Close it: {{ … }} or {% … %}.",
            file=file, line=start,
        )  # fmt: skip
    return pieces


def _syntax_error(error: TemplateSyntaxError, file: str) -> TemplateError:
    message = (error.message or "it cannot be read").rstrip(".")
    return TemplateError(
        f"Jinja cannot read it: {message}.",
        fix="Correct the {{ … }} or {% … %} on this line, or close the one before it.",
        file=file, line=error.lineno,
    )  # fmt: skip


def flatten(environment: Environment, files: Mapping[str, str], name: str) -> list[Piece]:
    """The source `name` with its layout, blocks and includes put together."""
    return list(_Flattening(environment, files).run(name))


class _Flattening:
    def __init__(self, environment: Environment, files: Mapping[str, str]) -> None:
        self._environment = environment
        self._files = files
        self._parsed: dict[str, _Parsed] = {}
        self._size = 0

    def run(
        self, name: str, trail: tuple[str, ...] = (), named: Piece | None = None
    ) -> Iterator[Piece]:
        """The pieces of a file. trail: the files around it, outermost first; named: the statement
        that includes it."""
        chain, versions = self._layouts(name, trail, named)
        for file in chain[:-1]:
            yield from _definitions(self._parsed[file].items)
        trail = (*trail, *chain)
        yield from self._emit(self._parsed[chain[-1]].items, versions, trail, None, 0)

    def _layouts(
        self, name: str, trail: tuple[str, ...], named: Piece | None
    ) -> tuple[list[str], dict[str, list[Items]]]:
        """The file and its layouts, and each block's contents, that of the file itself first."""
        chain: list[str] = []
        versions: dict[str, list[Items]] = {}
        origin, line = (named.file, named.line) if named is not None else (name, 1)
        while name:
            if name in trail or name in chain:
                way = " → ".join((*trail, *chain, name)[-6:])
                raise TemplateError(
                    f"It leads back to itself: {way}.", fix="Break the circle.",
                    file=origin, line=line,
                )  # fmt: skip
            chain.append(name)
            parsed = self._load(name, origin, line)
            for block in _blocks(parsed.items):
                versions.setdefault(block.name, []).append(block.items)
            origin, line, name = name, parsed.parent_line, parsed.parent
        return chain, versions

    def _emit(
        self,
        items: Items,
        versions: Mapping[str, Sequence[Items]],
        trail: tuple[str, ...],
        inside: str | None,
        level: int,
    ) -> Iterator[Piece]:
        if len(trail) > MAX_DEPTH:
            raise TemplateLimitError(
                f"Layouts and includes are more than {MAX_DEPTH} deep.", fix="Nest them less.",
                file=trail[-1],
            )  # fmt: skip
        for item in items:
            if isinstance(item, Block):
                content = versions[item.name]
                yield from self._scoped(content[0], versions, trail, item.name, 0)
            elif item.kind == "statement" and item.word == "include":
                yield from self._include(item, trail)
            elif item.kind == "expression" and item.code == "super()":
                above = versions.get(inside or "", ())
                if level + 1 >= len(above):
                    raise TemplateError(
                        "super() has no block above it.", fix="Use it within a block of a layout.",
                        file=item.file, line=item.line,
                    )  # fmt: skip
                yield from self._scoped(above[level + 1], versions, trail, inside, level + 1)
            else:
                yield self._counted(item)

    def _scoped(
        self,
        items: Items,
        versions: Mapping[str, Sequence[Items]],
        trail: tuple[str, ...],
        inside: str | None,
        level: int,
    ) -> Iterator[Piece]:
        """What is set within stays within."""
        sets = any(
            isinstance(i, Block) or i.word in {"set", "macro", "import", "from"} for i in items
        )
        first = next((i for i in items if isinstance(i, Piece)), None)
        file, line = (first.file, first.line) if first else ("", 1)
        if sets:
            yield Piece("statement", "{% with %}", file, line, "with", "with")
        yield from self._emit(items, versions, trail, inside, level)
        if sets:
            yield Piece("statement", "{% endwith %}", file, line, "endwith", "endwith")

    def _include(self, piece: Piece, trail: tuple[str, ...]) -> Iterator[Piece]:
        name, rest = _named(piece, "include")
        if "ignore missing" in rest and name not in self._files:
            return
        included = list(self.run(name, trail, piece))
        if any(p.word in {"set", "macro", "import", "from"} for p in included):
            yield Piece("statement", "{% with %}", piece.file, piece.line, "with", "with")
            yield from included
            yield Piece("statement", "{% endwith %}", piece.file, piece.line, "endwith", "endwith")
        else:
            yield from included

    def _counted(self, piece: Piece) -> Piece:
        self._size += len(piece.text)
        if self._size > MAX_SOURCE:
            raise TemplateLimitError(
                f"With its layouts and includes it has more than {MAX_SOURCE} characters.",
                fix="Include less, or use a loop.", file=piece.file, line=piece.line,
            )  # fmt: skip
        return piece

    def _load(self, name: str, origin: str, line: int) -> _Parsed:
        if name not in self._parsed:
            source = self._files.get(name)
            if source is None:
                raise TemplateError(
                    f"There is no {name}.", fix=f"Add it, or name one of {_list(self._files)}.",
                    file=origin, line=line,
                )  # fmt: skip
            self._parsed[name] = _parse(cut(self._environment, source, name))
        return self._parsed[name]


def _list(files: Iterable[str]) -> str:
    return ", ".join(sorted(f for f in files if f.startswith("_"))[:8]) or "the parts (none yet)"


def _parse(pieces: Iterable[Piece]) -> _Parsed:
    parsed = _Parsed()
    open_blocks: list[Block] = []
    seen: set[str] = set()
    for piece in pieces:
        items = open_blocks[-1].items if open_blocks else parsed.items
        if piece.word == "extends" and piece.kind == "statement":
            parsed.parent, _ = _named(piece, "extends")
            parsed.parent_line = piece.line
        elif piece.word == "block" and piece.kind == "statement":
            words = piece.code.split()
            name = words[1] if len(words) > 1 else ""
            if not name.isidentifier() or name in seen:
                detail = "is there twice" if name in seen else "has no name that can be used"
                raise TemplateError(
                    f"The block {name!r} {detail}.",
                    fix="Give each block a name of its own.", file=piece.file, line=piece.line,
                )  # fmt: skip
            seen.add(name)
            block = Block(name, [], piece.line)
            items.append(block)
            open_blocks.append(block)
        elif piece.word == "endblock" and piece.kind == "statement":
            if not open_blocks:
                raise TemplateError(
                    "endblock ends no block.", fix="Remove it.", file=piece.file, line=piece.line
                )
            open_blocks.pop()
        else:
            items.append(piece)
    if open_blocks:
        block = open_blocks[-1]
        file = next((i.file for i in block.items if isinstance(i, Piece)), "")
        raise TemplateError(
            f"The block {block.name} is not ended.", fix="Add {% endblock %}.",
            file=file, line=block.line,
        )  # fmt: skip
    return parsed


def _named(piece: Piece, word: str) -> tuple[str, str]:
    """The file that a statement names, and what follows the name."""
    rest = piece.code[len(word) :].strip()
    end = rest.find(rest[:1], 1) + 1 if rest[:1] in {'"', "'"} else 0
    try:
        name = ast.literal_eval(rest[:end])
    except (ValueError, SyntaxError):
        name = None
    if not isinstance(name, str):
        raise TemplateError(
            f"{word} needs the name of a file in quotes.",
            fix=f'Write {{% {word} "_partials/name.mjml" %}}; choose between several with if.',
            file=piece.file, line=piece.line,
        )  # fmt: skip
    return name, rest[end:]


def _blocks(items: Items) -> Iterator[Block]:
    for item in items:
        if isinstance(item, Block):
            yield item
            yield from _blocks(item.items)


def _definitions(items: Items) -> Iterator[Piece]:
    """What a file that extends a layout defines outside of its blocks."""
    until = ""
    for item in items:
        if isinstance(item, Block):
            continue
        if until:
            yield item
            if item.kind == "statement" and item.word == until:
                until = ""
        elif item.kind == "statement" and item.word in _DEFINITIONS:
            yield item
            if item.word == "macro" or (item.word == "set" and "=" not in item.code):
                until = _DEFINITIONS[item.word]
