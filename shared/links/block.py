"""The part of a mail that stands in for files: their names, and links to them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape

from shared.composing import endings
from shared.links.texts import language_of, texts_in, written_date, written_size


@dataclass(frozen=True, slots=True)
class LinkedFile:
    """A file as its mail shows it. url: holds a token, which opens the page."""

    name: str
    size: int
    url: str = field(repr=False)
    until: datetime
    code: bool


def append_to_text(text: str, files: Sequence[LinkedFile], language: str) -> str:
    """The text with a paragraph for each file at its end."""
    texts = texts_in(language)
    paragraphs = []
    for file in files:
        lines = [f"{texts['block']}: {_described(file, language)}", file.url]
        if file.code:
            lines.append(texts["block_code"])
        paragraphs.append("\n".join(lines))
    return endings.append_to_text(text, "\n\n".join(paragraphs))


def append_to_html(html: str, files: Sequence[LinkedFile], language: str) -> str:
    """The HTML with a block for each file at the end of its body."""
    texts = texts_in(language)
    block = "".join(
        '<div style="margin:24px auto 0;max-width:600px;padding:16px;border:1px solid #8c959f;'
        'border-radius:8px;background-color:#ffffff;color:#1b1f24;font-family:Arial,sans-serif;'
        'font-size:16px;line-height:24px">'
        f'<a href="{escape(file.url)}" style="color:#0b4f9e;font-weight:bold;display:inline-block;'
        f'padding:10px 0">{escape(texts["block"])}: {escape(file.name)}</a><br>'
        f"{escape(_facts(file, language))}"
        f"{'<br>' + escape(texts['block_code']) if file.code else ''}</div>"
        for file in files
    )  # fmt: skip
    return endings.append_to_html(html, f'<div lang="{language_of(language)}">{block}</div>')


def _described(file: LinkedFile, language: str) -> str:
    return f"{file.name} ({_facts(file, language)})"


def _facts(file: LinkedFile, language: str) -> str:
    until = written_date(file.until, language_of(language))
    available = texts_in(language)["block_until"].format(until=until)
    return f"{written_size(file.size, language_of(language))}, {available}"
