"""Each piece of a flat source with the place in the markup where it stands."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from shared.errors import TemplateError
from shared.templates.components import COMPONENTS
from shared.templates.markup import MarkupReader
from shared.templates.source import Piece

# Attributes that are text or addresses, which neither MJML nor CSS inlining reads.
TEXT_ATTRIBUTES = frozenset(
    [
        "href",
        "src",
        "alt",
        "title",
        "name",
        "target",
        "rel",
        "background-url",
        "aria-label",
        "summary",
        "content",
        "value",
        "datetime",
        "abbr",
        "srcset",
        "action",
    ]
)
LINK_ATTRIBUTES = frozenset(["href", "src", "background-url", "action"])

Kind = Literal["text", "link", "address", "plain", "part", "tag", "comment"]


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece and its place.

    kind: text (also an attribute that is text), link (the beginning of a target), address (further
    on in it), plain (CSS, or an attribute with a meaning), part (between components), tag (among
    attributes), comment.
    attribute: "" outside of attributes. parents: the elements around, outermost first. tag: how
    many start tags came before, which tells two attributes of one name apart.
    """

    piece: Piece
    kind: Kind
    attribute: str
    parents: tuple[str, ...]
    tag: int

    @property
    def in_content(self) -> bool:
        """Whether a component that holds HTML is around, or no component at all."""
        return any(COMPONENTS[p].content for p in self.parents if p in COMPONENTS) or not any(
            p in COMPONENTS for p in self.parents
        )


def place(pieces: Iterable[Piece]) -> tuple[list[Placed], MarkupReader]:
    """The pieces with their places, and the reader with every tag that it has seen."""
    reader = MarkupReader()
    return list(_place(pieces, reader)), reader


def _place(pieces: Iterable[Piece], reader: MarkupReader) -> Iterator[Placed]:
    for piece in pieces:
        kind = _kind(reader)
        attribute = reader.attribute if reader.where == "attribute" else ""
        parents = tuple(tag.name for tag in reader.stack)
        placed = Placed(piece, kind, attribute, parents, len(reader.tags))
        if piece.kind in {"data", "raw"}:
            reader.feed(piece.text, piece.file, piece.line)
        else:
            reader.note(statement=piece.kind == "statement")
        if piece.kind == "expression" and kind == "tag":
            raise TemplateError(
                "A value stands among the attributes of a tag, or is its name.",
                fix='Put attribute values into quotes: href="{{ url }}".',
                file=piece.file, line=piece.line,
            )  # fmt: skip
        yield placed


def _kind(reader: MarkupReader) -> Kind:  # noqa: PLR0911 (one for each place)
    match reader.where:
        case "attribute":
            if reader.attribute not in TEXT_ATTRIBUTES:
                return "plain"
            if reader.attribute not in LINK_ATTRIBUTES:
                return "text"
            return "address" if reader.value.replace("{}", "").strip() else "link"
        case "tag":
            return "tag"
        case "comment" | "declaration":
            return "comment"
        case "raw":
            return "plain"
    component = COMPONENTS.get(reader.element)
    return "part" if component is not None and not component.content else "text"
