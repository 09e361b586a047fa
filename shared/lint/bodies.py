"""Rules about the two bodies: that both are there, say the same, and can be read."""

import re
from collections.abc import Iterator

from shared.lint.document import Element, Run
from shared.lint.emoji import is_emoji_only
from shared.lint.mail import Mail
from shared.lint.report import Report

CLIP = 102 * 1024  # bytes at which Gmail cuts HTML
LONGEST_LINE = 998  # RFC 5322 section 2.1.1, without CRLF
LONGEST_WORD = 60  # characters; at 14 px more than a telephone is wide
_FEW_WORDS = 10
_IMAGE_TEXT = 60  # characters of text with which images are not alone
_SHARED_WORDS = 0.5
_ADDRESS = re.compile(r"://|www\.|@", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_AMOUNT = re.compile(r"(?<![\d.,])\d{1,3}(?:[.,'’\u00a0\u202f ]?\d{3}){0,3}[.,]\d{2}(?![\d.,]?\d)")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_MAX_WORDS = 50_000


def check_bodies(mail: Mail, report: Report) -> None:
    """Notes what is wrong with text and HTML as wholes."""
    document, text = mail.document, mail.message.text
    if document and mail.message.html:
        size = len(mail.message.html.encode("utf-8", "replace"))
        if size > CLIP:
            report.add("size-clipped", "/html", f"The HTML has {size:,} bytes of UTF-8.")
        if not (text or "").strip():
            report.add("text-missing", "/text", "The mail is HTML only.")
        else:
            _compare(mail, document.text, report)
        _check_images_only(mail, report)
        _check_words(mail, report)
    body = document.text if document else mail.text
    if is_emoji_only(body[:2000]):
        report.add("emoji-only", "/html" if document else "/text", "The body is emoji only.")
    for number, line in enumerate(mail.text.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            place = f"/text, line {number}"
            report.add("text-line-long", place, f"It has {len(line)} characters.")


def _compare(mail: Mail, seen: str, report: Report) -> None:
    """Words in any order: links, layout and hidden text do not count."""
    html_text, text = _without_addresses(seen), _without_addresses(mail.text)
    ours, theirs = set(find_words(html_text)), set(find_words(text))
    common = len(ours & theirs)
    if len(ours) >= _FEW_WORDS and common < _SHARED_WORDS * len(ours):
        share = round(100 * common / len(ours))
        report.add("text-differs", "/text", f"It has {share} % of the HTML's words.")
    elif len(theirs) >= _FEW_WORDS and common < _SHARED_WORDS * len(theirs):
        share = round(100 * common / len(theirs))
        report.add("text-differs", "/html", f"It has {share} % of the text's words.")
    else:
        in_html, in_text = set(find_amounts(html_text)), set(find_amounts(text))
        if in_html - in_text and in_text - in_html:
            one, other = min(in_html - in_text), min(in_text - in_html)
            what = f"The HTML has the amount {one}, which the text has not, and the text {other}."
            report.add("text-differs", "/text", what)


def _without_addresses(text: str) -> str:
    return " ".join(word for word in text.split() if not _ADDRESS.search(word))


def find_words(text: str) -> Iterator[str]:
    """The words, in lower case; what is written without blanks counts by character."""
    for count, match in enumerate(_WORD.finditer(text)):
        if count >= _MAX_WORDS:
            return
        word = match.group().casefold()
        if _WIDE.search(word):
            yield from word[:200]
        else:
            yield word[:50]


def find_amounts(text: str) -> Iterator[str]:
    """Amounts with two decimals, written with a point and nothing else."""
    for match in _AMOUNT.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        yield f"{digits[:-2]}.{digits[-2:]}"


def _check_images_only(mail: Mail, report: Report) -> None:
    assert mail.document is not None
    images = [e for e in mail.document.named("img") if not e.light.hidden]
    shown = sum(len(run.shown) for run in mail.document.seen_runs)
    if images and shown < _IMAGE_TEXT:
        what = f"Beside {len(images)} {'image' if len(images) == 1 else 'images'} it has {shown} "
        report.add("images-only", "/html", f"{what}characters of text.")


def _check_words(mail: Mail, report: Report) -> None:
    assert mail.document is not None
    for run in mail.document.seen_runs:
        if len(run.text) <= LONGEST_WORD:
            continue
        longest = max(
            (len(word) for word in re.split(r"[\s\u200b\u00ad/?&=.-]+", run.text)), default=0
        )
        if longest > LONGEST_WORD and not _WIDE.search(run.text) and not _breaks(run):
            report.add("word-long", run.element.where, f"A word has {longest} characters.")


def _breaks(run: Run) -> bool:
    element: Element | None = run.element
    while element is not None:
        declared = element.declared
        if declared.get("word-break") in {"break-all", "break-word"}:
            return True
        if {declared.get("overflow-wrap"), declared.get("word-wrap")} & {"anywhere", "break-word"}:
            return True
        element = element.parent
    return False
