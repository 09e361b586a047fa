"""Rules about what a template or a writer left to be filled in."""

import re
from collections.abc import Iterator
from itertools import islice

from shared.lint.document import Document, cut
from shared.lint.mail import Mail
from shared.lint.report import Report

_MOST = 50  # in one place

# Each alternative is bounded, so that the search stays linear.
_PATTERN = re.compile(
    r"\{\{[^{}\n]{0,60}(?:\}\})?|\}\}"  # Jinja2, Handlebars, Liquid
    r"|\{%[^{}\n]{0,60}(?:%\})?"
    r"|<%(?:[=\-#@!][^%\n]{0,60}(?:%>)?|[\s\w][^%\n]{0,60}%>)"  # ERB, EJS, ASP
    r"|\$\{[A-Za-z_][\w.]{0,60}\}"
    r"|%%[A-Za-z_][\w.: -]{0,60}%%"
    r"|\*\|[A-Z][A-Z0-9_:]{0,40}\|\*"  # merge tags
    r"|«[A-Za-z_]\w{0,40}»"  # Word's mail merge
    r"|\[(?:insert |your |first|last|full|user|customer|company|recipient|sender)[\s_-]?"
    r"(?:name|e-?mail|address|company|date|link|url|title|number|phone|text|here){1,2}"
    r"(?: here)?\]"
    r"|(?-i:\[(?:NAME|FIRST_?NAME|LAST_?NAME|E-?MAIL|COMPANY|DATE|LINK|URL|AMOUNT|VORNAME|NACHNAME|"
    r"PRÉNOM|NOM|NOMBRE)\])"
    r"|\blorem ipsum\b|\bdolor sit amet\b"
    r"|\[object Object\]"
    r"|\[(?:TODO|TBD|TBC|FIXME)\b[^\]\n]{0,60}\]?|\b(?:TODO|FIXME):|\bFIXME\b",
    re.IGNORECASE,
)
# A value that was not there, where a name is greeted.
_GREETED = re.compile(
    r"\b(?:dear|hello|hi|hey|welcome|hallo|liebe[r]?|bonjour|cher|chère|hola|ciao|thanks|thank you)"
    r"[ ,]{1,3}(?-i:undefined|null|None|NaN)\b", re.IGNORECASE,
)  # fmt: skip
_IN_ADDRESS = re.compile(
    r"\{\{|\}\}|%7B%7B|%7D%7D|<%|%3C%25|\$\{|\*\||\[object|"
    r"(?<=[=/])(?:undefined|NaN|None)(?=$|[/&?#])"
)
# Words that are written in capitals only where they are meant so.
_CAPITALS = re.compile(r"TODO|FIXME|TBD|TBC")


def check_placeholders(mail: Mail, report: Report) -> None:
    """Notes what was not filled in: subject, text, what the HTML shows and where it leads."""
    for found in find_placeholders(mail.message.subject):
        report.add("placeholder", "/subject", f"It holds “{found}”.")
    for line, text in enumerate(mail.text.split("\n"), 1):
        for found in find_placeholders(text):
            report.add("placeholder", f"/text, line {line}", f"It holds “{found}”.")
    if mail.document is None:
        return
    _check_html(mail.document, report)


def _check_html(document: Document, report: Report) -> None:
    for run in document.runs:
        for found in find_placeholders(run.text):
            report.add("placeholder", run.element.where, f"Its text holds “{found}”.")
    for element in document.elements:
        for name in ("alt", "title"):
            for found in find_placeholders(element.attributes.get(name, "")[:1000]):
                report.add("placeholder", element.where, f"Its {name} holds “{found}”.")
        for name in ("href", "src"):
            if match := _IN_ADDRESS.search(element.attributes.get(name, "")[:4000]):
                report.add("placeholder", element.where, f"Its {name} holds “{match.group()}”.")
    # The parser takes `<%` for a comment: such tags are seen in the source alone.
    for match in re.finditer(r"<%[=\-\s][^%<>\n]{0,60}%>", document.source):
        line = document.source.count("\n", 0, match.start()) + 1
        report.add("placeholder", f"html, line {line}", f"It holds “{cut(match.group())}”.")
        break


def find_placeholders(text: str) -> Iterator[str]:
    """What was left to be filled in, as it is to be shown."""
    for match in islice(_PATTERN.finditer(text), _MOST):
        found = match.group()
        if _CAPITALS.search(found.upper()) and not _CAPITALS.search(found):
            continue
        yield cut(found.strip())
    for match in islice(_GREETED.finditer(text), _MOST):
        yield cut(match.group())
