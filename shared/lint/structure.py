"""Rules about the HTML's elements: what mail programs remove, and what should be there."""

import re

from shared.lint.document import Document, cut
from shared.lint.mail import Mail
from shared.lint.markup import find_faults
from shared.lint.report import Report

_FORMS = ("form", "input", "textarea", "select", "button")
_FRAMES = ("iframe", "frame", "frameset", "object", "embed", "applet", "portal")
_HANDLER = re.compile(r"on[a-z]{3,30}")


def check_structure(mail: Mail, report: Report) -> None:
    """Notes what should not be in the HTML, and what is missing from it."""
    document = mail.document
    if document is None:
        return
    _check_elements(document, report)
    _check_head(mail, document, report)
    for line, what in find_faults(document.source):
        report.add("html-broken", f"html, line {line}", what)
    if not document.whole:
        report.add("not-checked", "/html", "The HTML is very large, deep or full of rules.")


def _check_elements(document: Document, report: Report) -> None:
    for form in document.named(*_FORMS):
        report.add("html-form", form.where, f"<{form.tag}> belongs to a form.")
    for script in document.named("script"):
        report.add("html-script", script.where, "It is a script.")
    for frame in document.named(*_FRAMES):
        report.add("html-frame", frame.where, f"<{frame.tag}> embeds something.")
    for element in document.elements:
        for name in element.attributes:
            if _HANDLER.fullmatch(name):
                report.add("html-handler", element.where, f"It has `{cut(name)}`.")
    for link in document.named("link"):
        if "stylesheet" in link.attributes.get("rel", "").lower():
            report.add("css-external", link.where, "It fetches a style sheet.")
    if document.styles.imports:
        style = next(document.named("style"), None)
        report.add("css-external", style.where if style else "/html", "It has `@import`.")


def _check_head(mail: Mail, document: Document, report: Report) -> None:
    if not mail.language and not any(
        name.lower() == "content-language" for name in mail.message.headers
    ):
        report.add("language-missing", "/html", "Neither <html> nor <body> has `lang`.")
    if not document.titled:
        report.add("title-missing", "/html", "It has no <title>, or an empty one.")
    laid_out = any(True for _ in document.named("table"))
    if laid_out and not any(
        meta.attributes.get("name", "").lower() == "viewport" for meta in document.named("meta")
    ):
        report.add("viewport-missing", "/html", "It has a layout and no viewport.")
    runs = document.runs
    if (laid_out or mail.bulk) and runs and not runs[0].hidden:
        report.add("preheader-missing", runs[0].element.where, "The body begins with its own text.")
