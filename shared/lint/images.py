"""Rules about images."""

import re

from shared.lint.appearance import length
from shared.lint.document import Element, cut
from shared.lint.mail import Mail
from shared.lint.report import Report

HEAVY_IMAGE = 300 * 1024  # bytes
HEAVY_TOTAL = 1024 * 1024
_FILE_NAME = re.compile(r"[\w.-]{1,80}\.(?:png|jpe?g|gif|webp|svg|bmp)", re.IGNORECASE)


def check_images(mail: Mail, report: Report) -> None:
    """Notes what is wrong with images, shown and attached."""
    _check_weight(mail, report)
    if mail.document is None:
        return
    inline = {a.inline_id for a in mail.message.attachments if a.inline_id}
    for image in mail.document.named("img"):
        if is_tracking_pixel(image):
            report.add("tracking-pixel", image.where, "It is 1 × 1 px or hidden, and fetched.")
            continue
        _check_alt(image, report)
        source = image.attributes.get("src", "").strip()
        if source[:5].lower() == "data:":
            report.add("image-data-uri", image.where, f"It has {len(source):,} characters of data.")
        elif source[:5].lower() == "http:":
            report.add("image-http", image.where, "Its address begins with http://.")
    _check_references(mail, inline, report)


def is_tracking_pixel(image: Element) -> bool:
    """Whether it is fetched from the web and nobody can see it."""
    if not re.match(r"\s{0,9}(?:https?:)?//", image.attributes.get("src", ""), re.IGNORECASE):
        return False
    sizes = []
    for name in ("width", "height"):
        size = length(image.declared.get(name))
        sizes.append(length(image.attributes.get(name)) if size is None else size)
    if all(size is not None and size <= 1 for size in sizes):
        return True
    return bool(image.light.hidden) and not any(size and size > 1 for size in sizes)


def _check_alt(image: Element, report: Report) -> None:
    if image.light.hidden or image.attributes.get("role") == "presentation":
        return
    if "alt" not in image.attributes:
        report.add("image-alt-missing", image.where, "It has no `alt`.")
    elif _FILE_NAME.fullmatch(image.attributes["alt"].strip()[:100]):
        report.add(
            "image-alt-file-name", image.where, f"`alt` is “{cut(image.attributes['alt'])}”."
        )


def _check_references(mail: Mail, inline: set[str], report: Report) -> None:
    assert mail.document is not None
    used = set()
    for element in mail.document.elements:
        for name in ("src", "background", "href"):
            value = element.attributes.get(name, "").strip()
            if value[:4].lower() == "cid:":
                used.add(value[4:])
                if value[4:] not in inline:
                    what = f"No attachment has the inline_id “{cut(value[4:])}”."
                    report.add("image-missing", element.where, what)
    source = mail.document.source  # CSS and comments for Outlook refer to images too
    for index, attachment in enumerate(mail.message.attachments):
        inline_id = attachment.inline_id
        if inline_id and inline_id not in used and f"cid:{inline_id}" not in source:
            report.add(
                "image-unused", f"/attachments/{index}", f"Nothing refers to cid:{cut(inline_id)}."
            )


def _check_weight(mail: Mail, report: Report) -> None:
    total = 0
    for index, attachment in enumerate(mail.message.attachments):
        if not attachment.inline_id:
            continue
        size = len(attachment.content or b"")
        total += size
        if size > HEAVY_IMAGE:
            place = f"/attachments/{index}"
            report.add("image-heavy", place, f"The image has {size / 1024:,.0f} KB.")
    if total > HEAVY_TOTAL:
        report.add("image-heavy", "/attachments", f"Inline images have {total / 1024:,.0f} KB.")
