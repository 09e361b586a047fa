"""The plain-text twin of a mail: its text with each link's target, one row of a table a line."""

import re
from typing import Any

from inscriptis import Inscriptis
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_document_state import HtmlDocumentState
from inscriptis.model.html_element import HtmlElement
from inscriptis.model.tag import CustomHtmlTagHandlerMapping
from lxml.html import HTMLParser, document_fromstring

from shared.templates.held import COMMENT

_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_CELL = "\ue008"  # where a cell ends: in the end it is known whether another one follows


def _nothing(*_: Any) -> None:
    """Tables are no grids here: the text is made once, before the width of any cell is known."""


def _link_start(state: HtmlDocumentState, attributes: dict[str, str]) -> None:
    state.tags[-1].write("\ue009" + (attributes.get("href") or "").strip() + "\ue00a")


def _link_end(state: HtmlDocumentState) -> None:
    state.tags[-1].write("\ue00b")


def _cell_end(state: HtmlDocumentState) -> None:
    state.tags[-1].write(_CELL)


def _image(state: HtmlDocumentState, attributes: dict[str, str]) -> None:
    if alt := (attributes.get("alt") or "").strip():
        state.tags[-1].write(alt)


_BLOCK = HtmlElement(display=Display.block)

_CONFIG = ParserConfig(
    css={
        **CSS_PROFILES["strict"], "table": _BLOCK, "tr": _BLOCK, "hr": _BLOCK,
        "tbody": _BLOCK, "thead": _BLOCK, "tfoot": _BLOCK, "center": _BLOCK,
    },
    custom_html_tag_handler_mapping=CustomHtmlTagHandlerMapping(
        start_tag_mapping={
            "table": _nothing, "tr": _nothing, "td": _nothing, "th": _nothing,
            "a": _link_start, "img": _image,
        },
        end_tag_mapping={
            "table": _nothing, "td": _cell_end, "th": _cell_end, "a": _link_end,
        },
    ),
)  # fmt: skip

_LINK = re.compile("\ue009([^\ue00a]*)\ue00a([^\ue00b]*)\ue00b")
_MARKS = re.compile("[\ue008-\ue00b]")


def draft_text(html: str) -> str:
    """The text of an HTML document, with marks for links and cells, for values yet to come."""
    shown = COMMENT.sub(r"\1", html)
    tree = document_fromstring(shown, parser=HTMLParser(encoding=None, huge_tree=False))
    text: str = Inscriptis(tree, _CONFIG).get_text()
    return text


def finish_text(draft: str) -> str:
    """Links as `text <target>`, cells two blanks apart, one blank line at most."""
    text = _LINK.sub(_written, draft)
    lines = map(_line, text.split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip() + "\n"


def _line(line: str) -> str:
    if line.isascii() and "  " not in line and "\t" not in line:
        return line.strip()
    cells = (_SPACES.sub(" ", cell).strip() for cell in _MARKS.split(line))
    return "  ".join(cell for cell in cells if cell)


def _written(link: re.Match[str]) -> str:
    target, text = link[1].strip(), link[2]
    if not target or target.startswith("#"):
        return text
    shown = _MARKS.sub("", text).strip()
    if shown in {target, target.removeprefix("mailto:")}:
        return text
    return f"{text.rstrip()} <{target}>" if shown else f"<{target}>"
