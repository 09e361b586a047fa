"""Rules about how text looks: size, contrast, what is hidden, and what fingers must hit."""

import math

from shared.lint.appearance import Appearance, length, padding
from shared.lint.colours import contrast
from shared.lint.document import Document, Element, Run
from shared.lint.mail import Mail
from shared.lint.report import Report

SMALL_PRINT, BODY_TEXT = 12.0, 14.0  # px
TAP_TARGET = 44.0
_LARGE, _LARGE_BOLD = 24.0, 18.66  # px: 18 and 14 points
_INVISIBLE = 1.15  # contrast under which nobody sees that there is text
_PHONE, _SLACK = 480.0, 0.5
_LITTLE = 3  # characters too few to be text (bullets, separators)
_PREHEADER = 400  # characters


def check_readability(mail: Mail, report: Report) -> None:
    """Notes text that cannot be read well, and layout that does not fit a telephone."""
    if mail.document is None:
        return
    _check_hidden(mail.document, report)
    _check_contrast(mail.document, report)
    _check_sizes(mail.document, report)
    _check_buttons(mail.document, report)
    _check_widths(mail.document, report)


def _check_hidden(document: Document, report: Report) -> None:
    preheader, seen = 0, False
    for run in document.runs:
        if not run.hidden:
            seen = True
            continue
        preheader += 0 if seen else len(run.shown)
        if not seen and preheader <= _PREHEADER:
            continue
        if run.hidden == "display: none" and document.styles.switches:
            continue  # shown on telephones, or on desktops
        if len(run.shown) >= _LITTLE:
            report.add("text-invisible", run.element.where, f"It is hidden by {run.hidden}.")


def _check_contrast(document: Document, report: Report) -> None:
    said = set()
    for run in document.seen_runs:
        for look, rule in ((run.light, "contrast-low"), (run.dark, "contrast-low-dark")):
            if look is None or look.ground is None or look.hidden or not run.shown:
                continue
            ratio = contrast(look.colour.over(look.ground), look.ground)
            key = (rule, str(look.colour), str(look.ground), _needed(look))
            if ratio >= _needed(look) - 0.005 or key in said or not _has_text(run):
                continue
            said.add(key)
            colours = f"{look.colour.over(look.ground)} on {look.ground}"
            if ratio < _INVISIBLE and rule == "contrast-low":
                report.add("text-invisible", run.element.where, f"Its colour is {colours}.")
            else:
                shown = math.floor(ratio * 100) / 100
                what = f"{colours} is {shown:g}:1; {_needed(look):g}:1 is needed."
                report.add(rule, run.element.where, what)


def _needed(look: Appearance) -> float:
    large = look.size >= (_LARGE_BOLD if look.bold else _LARGE)
    return 3.0 if large else 4.5


def _has_text(run: Run) -> bool:
    return any(c.isalnum() for c in run.shown)


def _check_sizes(document: Document, report: Report) -> None:
    sizes: dict[float, int] = {}
    for run in document.seen_runs:
        size = round(run.light.size, 1)
        sizes[size] = sizes.get(size, 0) + len(run.shown)
        if size < SMALL_PRINT and len(run.shown) >= _LITTLE and _has_text(run):
            report.add("font-small", run.element.where, f"It is {size:g} px.")
    if sizes:
        main = max(sizes, key=lambda size: sizes[size])
        if SMALL_PRINT <= main < BODY_TEXT:
            report.add("font-small", "/html", f"Most of the text is {main:g} px.")


def _check_buttons(document: Document, report: Report) -> None:
    for link in document.named("a"):
        if "href" not in link.attributes or link.light.hidden or not is_button(link):
            continue
        height = button_height(link)
        if height < TAP_TARGET - _SLACK:
            report.add("tap-target-small", link.where, f"It is about {height:.0f} px high.")


def is_button(link: Element) -> bool:
    """Whether a link is laid out as a block of its own, with a ground to be tapped."""
    if not link.text or "block" not in link.declared.get("display", ""):
        return False
    own = bool(link.declared.keys() & {"background", "background-color", "border"})
    cell = link.parent
    painted = (
        cell is not None
        and cell.tag == "td"
        and bool(
            cell.attributes.get("bgcolor")
            or cell.declared.keys() & {"background", "background-color"}
        )
    )
    return (own or painted) and padding(link.declared, link.light.size) > 0


def button_height(link: Element) -> float:
    """About how high a finger's target is, in px."""
    size = link.light.size
    line = link.light.line or 1.2 * size
    height = padding(link.declared, size) + max(
        line, length(link.declared.get("height"), size) or 0
    )
    cell = link.parent
    if cell is not None and cell.tag == "td":
        fixed = length(cell.declared.get("height")) or length(cell.attributes.get("height")) or 0
        height = max(height, fixed)
    least = length(link.declared.get("min-height"), size) or 0
    return max(height, least)


def _check_widths(document: Document, report: Report) -> None:
    if document.styles.responsive:
        return
    for element in document.named("table", "td", "div", "img", "body", "p", "center"):
        declared = element.declared
        if declared.get("max-width") not in {None, "none"}:
            continue
        least = length(declared.get("min-width"))
        fixed = length(declared.get("width"))
        if fixed is None and "width" not in declared:
            fixed = length(element.attributes.get("width"))
        width = max(least or 0, fixed or 0)
        if width > _PHONE and not _fits(element):
            report.add("width-fixed", element.where, f"It is {width:g} px wide.")


def _fits(element: Element) -> bool:
    """Cells shrink with a table that is fluid, and nobody sees what is hidden."""
    outer = element.parent
    return bool(element.light.hidden) or (
        element.tag == "td" and outer is not None and not _table_is_fixed(outer)
    )


def _table_is_fixed(element: Element | None) -> bool:
    while element is not None and element.tag != "table":
        element = element.parent
    if element is None:
        return False
    return (
        length(element.declared.get("width")) or length(element.attributes.get("width")) or 0
    ) > _PHONE
