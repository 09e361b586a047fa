"""Status codes (RFC 3463) and reply codes (RFC 5321) in fields and texts."""

import re

_CODE = r"([245])\.(\d{1,3})\.(\d{1,3})"
_END = r"(?![\d-]|\.\d)"
# A status behind a reply code, "550 5.1.1" or "550-5.7.1" or "552 #5.2.2", is the surest.
_BEHIND_REPLY = re.compile(
    rf"(?<![\d.])[245]\d\d[ \-:,;(\['\"]{{1,3}}(?:ERROR_CODE :)?#?{_CODE}{_END}"
)
_MARKED = re.compile(rf"[#(\[<]\s?{_CODE}{_END}")
_BARE = re.compile(rf"(?<![\w.\-:/@]){_CODE}{_END}(?![/@\w])")
_FIELD = re.compile(rf"\s*+{_CODE}")

_REPLY = (
    re.compile(r"(?<![\d.])([245][0-5]\d)[ -]#?[245]\.\d{1,3}\.\d{1,3}"),
    re.compile(
        r"(?:said|respond\w*|return\w*|repl\w+|answer\w*|<<<|smtp\s?;|error(?:[ _]code)?|code"
        r"|status|host|server)[^\n\d]{0,60}?(?<![\d.\[])([45][0-5]\d)(?=[ \-:;,.'\")\]]|$)",
        re.IGNORECASE | re.MULTILINE,
    ),
    re.compile(r"^[\s<(\"'*>-]{0,8}([45][0-5]\d)(?=[ \-:;]|$)", re.MULTILINE),
    re.compile(r"(?<![\w.\[:/-])([45][0-5]\d)[ -](?=[A-Za-z<\"'#(])"),
)
_MOST = 20  # statuses of one text
_EXPIRED = {"4.4.7", "5.4.7", "5.4.300", "4.4.300", "5.0.350"}  # they wrap the reason proper


def field_status(value: str) -> str:
    """The status in a Status field, whatever stands around it."""
    match = _FIELD.match(value) or _BARE.search(value)
    return _join(match) if match else ""


def text_statuses(text: str) -> list[str]:
    """The statuses that a text tells, the surest first."""
    if "." not in text:
        return []
    found: dict[str, None] = {}
    for pattern in (_BEHIND_REPLY, _MARKED, _BARE):
        for match in pattern.finditer(text):
            found[_join(match)] = None
            if len(found) > _MOST:
                break
    return list(found)


def reply_code(text: str) -> int | None:
    """The reply code that a text tells."""
    for pattern in _REPLY:
        if match := pattern.search(text):
            return int(match[1])
    return None


def choose_status(field: str, told: list[str]) -> str:
    """The more specific one of field and text: what a remote server said beats what the reporting
    one made of it; X.0.0 is kept only where nothing better is known."""
    told = [status for status in told if status[0] != "2"]
    if field in _EXPIRED or (told and told[0] in _EXPIRED):
        inner = [s for s in told if s not in _EXPIRED and _is_specific(s)]
        if inner:
            return inner[0]
    for status in told:
        if _is_specific(status):
            if status.split(".")[1:] == field.split(".")[1:]:
                return field
            return status
    if _is_specific(field):
        return field
    return field or (told[0] if told else "")


def _is_specific(status: str) -> bool:
    return bool(status) and not status.endswith(".0.0")


def _join(match: re.Match[str]) -> str:
    return f"{match[1]}.{int(match[2])}.{int(match[3])}"
