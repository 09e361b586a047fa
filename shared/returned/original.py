"""The returned message: where it begins in a report, and what its headers say."""

import re

from shared.returned.addresses import addresses, clean
from shared.returned.mime import Headers, Mail, Part, split_headers

ENCLOSED = frozenset({
    "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers",
    "message/rfc822-headers", "message/partial",
})  # fmt: skip
NO_TEXT = ("message/", "image/", "application/", "audio/", "video/", "font/")

# A line that says that the returned message follows, or the beginning of it.
_SEPARATOR = re.compile(
    r"^[ \t]{0,8}(?:"
    r"(?:[-=_*+#~]{2,}+[ \t]?[^\n]{0,60}?\b(?:original (?:mail|message|header)|copy of"
    r"|returned (?:mail|message)|unsent message|undelivered message|below this line|headers? of"
    r"|headers? follow|message headers?|message (?:text )?follows|message body|rejected message"
    r"|your (?:mail|message)\b|mail headers?|first \d+ lines|included|attached|urspr"
    r"|originalnachricht|mensaje original|message d'origine|messaggio originale"
    r"|mensagem original|以下)[^\n]{0,80})"
    r"|(?:the )?(?:your )?(?:original message|message|original)(?: text)? (?:headers? )?"
    r"follows?[.:]*|(?:original )?message headers?:"
    r"|headers of (?:the )?(?:original )?message[^\n]{0,20}:"
    r"|the (?:header|text) (?:of )?[^\n]{0,40}message[^\n]{0,30}follow\w*[.:]*"
    r"|(?:received|return-path|dkim-signature|x-original-to|delivered-to):[ \t]*"
    r"(?=[^\n]*\n[ \t]*[\w-]+[ :=])[^\n]*"
    r")[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_FIELDS = 4  # lines of the first six that look like a header block
_ELEMENTS = 100
_FIELDS = 4  # lines of the first six that look like a header block
_ELEMENTS = 100
_TO = ("x-failed-recipients", "to", "cc", "bcc", "x-receiver", "envelope-to", "resent-to")
_RECEIVED_FOR = re.compile(r"\bfor\s+<?([^\s<>;]{1,64}@[^\s<>;]{1,253})>?")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,400}>")


def separate(text: str) -> tuple[str, str]:
    """A report's text as (what the server says, the returned message)."""
    for match in _SEPARATOR.finditer(text):
        if text[: match.start()].strip():
            rest = text[match.start() :]
            line = rest.partition("\n")[0]
            is_header = re.match(r"[ \t]*[\w-]+:[ \t]*\S", line) is not None
            return text[: match.start()], rest if is_header else rest[len(line) + 1 :]
    return text, ""


def find_original(mail: Mail, rest: str) -> Headers:
    """The returned headers. rest: what follows the separator in the report's text."""
    for part in mail.parts:
        if part.type in ENCLOSED and (headers := _enclosed_headers(part)):
            return headers
    for part in mail.parts[1:]:
        if "received" in part.headers and "from" in part.headers:
            return part.headers  # the message itself stands where a part should
        if part.type.startswith("text/") and _begins_with_headers(part.text):
            return split_headers(part.text.lstrip())[0]
    found = re.search(r"^[ \t]*[\w-]+:[ \t]*\S", rest, re.MULTILINE) if rest else None
    if found:
        lines = rest[found.start() :]
        indent = len(lines) - len(lines.lstrip(" \t"))
        if indent:
            lines = "\n".join(line[indent:] for line in lines[:60_000].split("\n"))
        return split_headers(lines)[0]
    return Headers("")


def _enclosed_headers(part: Part) -> Headers:
    transfer = part.headers.raw("content-transfer-encoding").lower()
    body = part.text if "base64" in transfer or "quoted" in transfer else part.body
    return split_headers(body[:200_000].lstrip("\n "))[0]


def _begins_with_headers(text: str) -> bool:
    lines = text[:4000].lstrip().split("\n")[:6]
    return (
        sum(re.match(r"[\w-]+:|[ \t]+\S", line) is not None for line in lines) >= _FIELDS
        and ":" in lines[0]
    )


def original_recipients(headers: Headers) -> list[str]:
    """To whom the returned message went, as far as its headers tell."""
    found: dict[str, str] = {}
    for value in headers.all("received")[:30]:
        if match := _RECEIVED_FOR.search(value):
            address = clean(match[1])
            found.setdefault(address.lower(), address)
    for name in _TO:
        for address in addresses(headers.raw(name)):
            found.setdefault(address.lower(), address)
    return [address for address in found.values() if address]


def message_ids(value: str) -> list[str]:
    """The message-ids in a field, each once, at most 20."""
    return list(dict.fromkeys(_MESSAGE_ID.findall(value[:8000])))[:20]


def report_text(mail: Mail) -> str:
    """What the report says to people: its text parts up to the returned message."""
    texts: list[str] = []
    pages: list[str] = []
    for part in mail.parts:
        if part.type in ENCLOSED or (
            texts and "received" in part.headers and "from" in part.headers
        ):
            if texts or pages:
                break
            continue  # the message comes first, what is said of it later
        if part.type == "text/html":
            pages.append(part.text)
        elif part.type.startswith(NO_TEXT) or (texts and _begins_with_headers(part.text)):
            continue
        else:
            texts.append(part.text)
    if not any(text.strip() for text in texts) and pages:
        texts = [plain_text(page) for page in pages]
    return "\n\n".join(texts)[:60_000]


_BREAK = re.compile(
    r"<(?:br|/?p|/?div|/?tr|/?li|/?h\d|/?table|/?td|hr)\b[^<>]{0,2000}>", re.IGNORECASE
)
_TAG = re.compile(r"<[a-zA-Z/!][^<>@]{0,3000}>")
_ENTITY = re.compile(r"&(#\d{1,6}|#x[0-9a-fA-F]{1,5}|[a-zA-Z]{2,8});")


def plain_text(page: str) -> str:
    """The words of an HTML page."""
    from html import unescape  # noqa: PLC0415  # needed by few mails

    for name in ("style", "script", "head"):
        page = _without(page, name)
    page = page.replace("\n", " ")
    page = _TAG.sub(" ", _BREAK.sub("\n", page))
    page = _ENTITY.sub(lambda match: unescape(match[0]), page)
    return "\n".join(" ".join(line.split()) for line in page.split("\n"))


def _without(page: str, name: str) -> str:
    """A page without the elements of a name."""
    pieces = []
    small = page.lower()
    at = 0
    while (start := small.find(f"<{name}", at)) >= 0:
        end = small.find(f"</{name}", start)
        pieces.append(page[at:start])
        if end < 0 or len(pieces) > _ELEMENTS:
            at = start + len(name) + 1
            break
        at = end + len(name) + 2
    return "".join(pieces) + page[at:] if pieces else page
