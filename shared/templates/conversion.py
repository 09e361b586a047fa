"""From MJML, or HTML as a designer writes it, to HTML as mail clients read it."""

import re
import unicodedata
from functools import lru_cache

import css_inline
import mrml

from shared.errors import TemplateError
from shared.templates.components import COMPONENTS
from shared.templates.held import COMMENT

_HEAD = (
    '<meta name="color-scheme" content="light dark">'
    '<meta name="supported-color-schemes" content="light dark">'
    "<style>:root{color-scheme:light dark;supported-color-schemes:light dark}</style>"
)
_CHARSET = '<meta http-equiv="Content-Type" content="text/html; charset=UTF-8">'
_VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1">'

_ROOT = re.compile(r"<(html|mjml)((?:\s[^>]*)?)>", re.IGNORECASE)
_LANG_OR_DIR = re.compile(r"""\s(?:lang|dir)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)""", re.IGNORECASE)
_MIRRORED = re.compile(
    r"(?P<before>text-align:\s*|align=\"|direction:\s*)(?P<side>left|right|ltr|rtl)\b"
)
_MIRROR = {"left": "right", "right": "left", "ltr": "rtl", "rtl": "ltr"}

# A client shows what follows the preheader too, unless there is some blank text after it.
_FILLER = "&#847;&zwnj;&nbsp;" * 60
PREHEADER = (
    (
        '<div style="display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;'
        'overflow:hidden;mso-hide:all">'
    ),
    f"{_FILLER}</div>",
)


# Blanks between components say nothing, but mrml keeps some of them.
_CONTAINERS = "|".join(name for name, component in COMPONENTS.items() if not component.content)
_BLANKS = re.compile(
    rf"""(<(?:{_CONTAINERS})(?:[^<>"']|"[^"]*"|'[^']*')*>|</(?:{"|".join(COMPONENTS)})\s*>)\s+(?=<)"""
)
_QUOTED = re.compile(r"""=\s*(?:"[^"<>]*"|'[^'<>]*')""")


def mjml_to_html(source: str) -> str:
    """What mrml makes of MJML; TemplateError where it cannot read it."""
    try:
        return str(mrml.to_html(_prepared(source)).content)
    except (OSError, ValueError) as error:
        raise TemplateError(
            f"The MJML cannot be read: {str(error)[:200]}.",
            fix="Look for a tag that is not closed, an attribute without quotes, or a < that "
            "should be &lt;.",
        ) from None


def _prepared(source: str) -> str:
    return _QUOTED.sub(_printable, _BLANKS.sub(r"\1", source))


def _printable(value: re.Match[str]) -> str:
    """An attribute's value in which mrml finds nothing that it would write as \\n or \\u{301}."""
    text = " ".join(value.group().split("\n"))
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(f"&#{ord(c)};" if _is_odd(c) else c for c in text.replace("\t", " "))


def _is_odd(character: str) -> bool:
    return character == "\\" or (
        not character.isascii() and unicodedata.category(character)[0] in "MCZ"
    )


@lru_cache(maxsize=1)
def _inliner() -> css_inline.CSSInliner:
    # The rules stay in the head too: media queries and :hover cannot be inlined, and whether a
    # rule has found its element depends on the data.
    return css_inline.CSSInliner(
        keep_style_tags=True, keep_at_rules=True,
        load_remote_stylesheets=False,
    )  # fmt: skip


# A parser begins the body of a table at the first row: a loop around the rows belongs within.
_ROWS = re.compile(
    r"(<table\b[^>]*>|</(?:thead|tbody|caption|colgroup)>)"
    rf"((?:\s*{COMMENT.pattern})+\s*)(?=<tr\b)"
)


def begin_table_bodies(html: str) -> str:
    """Each table's body begun before what surrounds its rows."""
    return _ROWS.sub(lambda m: f"{m[1]}<tbody>{m[2]}", html)


def inline_css(html: str) -> str:
    """Rules as style attributes. TemplateError where the CSS cannot be read."""
    try:
        return _inliner().inline(html)
    except css_inline.InlineError as error:
        raise TemplateError(
            f"The CSS cannot be inlined: {str(error)[:200]}.", fix="Correct the style element."
        ) from None


def set_language(source: str, language: str, *, rtl: bool) -> str:
    """The root element (html or mjml) with its `lang` and `dir`."""

    def tag(found: re.Match[str]) -> str:
        others = _LANG_OR_DIR.sub("", found[2])
        return f'<{found[1]} lang="{language}" dir="{"rtl" if rtl else "ltr"}"{others}>'

    return _ROOT.sub(tag, source, count=1)


def mirror(html: str) -> str:
    """Left and right exchanged, for languages that are written from right to left."""
    return _MIRRORED.sub(lambda m: m["before"] + _MIRROR[m["side"]], html)


def complete_head(html: str) -> str:
    """Character set, viewport and the consent to dark mode, where they are missing."""
    lower = html[: html.lower().find("</head>") + 1].lower()
    added = "" if "charset=" in lower else _CHARSET
    added += "" if 'name="viewport"' in lower else _VIEWPORT
    added += "" if 'name="color-scheme"' in lower else _HEAD
    return re.sub(r"<head[^>]*>", lambda m: m.group() + added, html, count=1)


def add_to_body(html: str, added: str) -> str:
    """`added` as the first thing in the body."""
    return re.sub(r"<body[^>]*>", lambda m: m.group() + added, html, count=1)
