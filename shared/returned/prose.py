"""Reports for people: which addresses does a text tell of, and what does it say of each?

A few makers of mail servers write what no rule guesses: they have a place in DIALECTS. For the
rest, FORMS are the ways in which reports name a recipient, the surest first.
"""

import re
from dataclasses import dataclass

from shared.returned.addresses import ADDRESS, BRACKETED, PLAIN, clean, is_machine

_MOST = 500  # recipients
_TRANSCRIPT = 20_000  # characters of a text that are looked at for a session
_LONGEST = 3000  # characters of an explanation

_A = rf"(?P<a>{BRACKETED}|{PLAIN})"
_ANY = rf"(?P<a><[^<>\s]{{1,320}}>|{PLAIN})"


@dataclass(frozen=True, slots=True)
class Found:
    """A recipient, and what the text says of it."""

    address: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one maker names a recipient. marks: what its reports contain, in small letters."""

    name: str
    marks: tuple[str, ...]
    form: re.Pattern[str]


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


_ON_DATE = _form(rf"^[ \t]*{_ANY} on [^\n]{{8,60}}\n")

DIALECTS = (
    Dialect(
        "fml", ("mailing list", "not"),
        _form(rf"\b(?:member|subscriber)s?\b[^<\n]{{0,40}}?mailing list[ \t]+{_A}"),
    ),
    Dialect("exchange 5.5", ("did not reach the following recipient",), _ON_DATE),
    Dialect("exchange 2003", ("could not be reached",), _ON_DATE),
    Dialect(
        "domino", ("was not delivered to", "because"),
        _form(rf"not delivered to:?\s{{1,8}}(?:[^\n@]{{0,60}}[ \t])?{_A}"),
    ),
    Dialect("mailmarshal", ("recipients were affected",), _form(rf"^[ \t]{{2,12}}{_A}[ \t]*$")),
    Dialect("mimecast", ("could not be delivered", "--"), _form(rf"^--[ \t]{_A}[ \t]*$")),
    Dialect(
        "courier", (">>> rcpt to", "cannot be delivered"), _form(rf"^[ \t]{{0,4}}{_A}:[ \t]*$")
    ),
)  # fmt: skip

# Labels of those who write and of those who help.
_WRITERS = (
    r"(?:from|von|de|da|van|od|от|expéditeur|remitente|mittente|remetente|reply|sender|contact|help"
    r"|support|admin\w*|postmaster|return-path|发件人|寄件者|差出人|送信者|보낸)"
)
FORMS = (
    # The address and a colon: Postfix, qmail, Yahoo, GMX and others.
    _form(
        rf"^[ \t*>\"'-]{{0,8}}{_A}[\"']?"
        r"(?:[ \t]*\((?:expanded|reading|generated|originally)[^\n()]{0,320}\))?"
        r"[ \t]?:(?=[ \t\n])"
    ),
    # A line with nothing but the address: Exim, Sendmail, Gmail, Exchange and others.
    _form(
        rf"^[ \t*>|•·-]{{0,16}}{_A}"
        r"(?:<mailto:[^<>\s]{1,320}>|[ \t]*\([^()\n]{0,120}\)|[ \t]+<[^<>\s]{1,320}>)?"
        r"[ \t;,.]*$"
    ),
    # The address and the reason on one line.
    _form(
        rf"^[ \t*>-]{{0,12}}{_A}"
        r"(?:\.\.\.|[ \t]{0,6}(?=[\[(])|[ \t]{1,6}-{1,3}[ \t]|[ \t]{1,6}(?=[A-Z#\d]))"
    ),
    # A label and the address.
    _form(
        r"\b(?:recipients?|addressee|address(?:es)?|user|mailbox|account|failed|undeliverable"
        r"|delivered to|deliver to|failure|rcpt to|reach|destinataires?|destinatario|destinatari"
        r"|empf\w+|adresse|Ontvanger|mail to|message to|получател\w+|宛先|收件人)"
        r"[^\n:@<]{0,40}[:=][ \t]*(?:\n[ \t]*)?(?:\"[^\"\n]{0,80}\"[ \t]*)?"
        rf"\[?(?:SMTP:|mailto:)?{_A}"
    ),
    # A sentence about delivery to the address.
    _form(
        r"\b(?:deliver\w*|recipients?|reach(?:ed)?|address(?:ed)?|sen[dt]|failed|user|mailbox|rejected"
        r"|undeliverable|account|message|mail|for)\b"
        rf"[^\n@<.:]{{0,60}}(?:\n[ \t]*)?[ \t:'\"(]{_A}"
    ),
    # A line that is a label and the address, whatever the language.
    _form(rf"^[ \t]*(?!{_WRITERS})[^\n@<:：=]{{1,40}}[:：][ \t]*{_A}[ \t。.]*$"),
    # The transcript of a session.
    _form(rf"\bRCPT[ \t]+TO:?[ \t]*{_A}"),
    # The field of the returned message.
    _form(rf"^[ \t>]*(?:To|An|À|Para|Кому)[ \t]*:[ \t]*{_A}"),
)  # fmt: skip

_REFUSED = re.compile(r"\A\s*(?:<<<|<--)\s*[45]\d\d[ -]")
_VAGUE = 3  # from this form on an address may be that of a help desk
_PLACES = 6  # of one address in a text
_PART = re.compile(r"[\w+=@-]")
_FURTHER = re.compile(r"\.\w")


def find_recipients(
    text: str, *, senders: frozenset[str], known: list[str], originals: list[str]
) -> list[Found]:
    """The recipients that a report's text tells of.

    senders: who sent the returned message, in small letters: hardly a failed recipient. known:
    addresses that the report names elsewhere, in small letters or not. originals: the recipients
    in the returned headers.
    """
    if known:
        return explain_known(text, known)
    small = text.lower()
    for dialect in DIALECTS:
        spoken = all(mark in small for mark in dialect.marks)
        if spoken and (found := _of_form(text, dialect.form, senders)):
            return found
    meant = {address.lower() for address in originals}
    for place, form in enumerate(FORMS):
        if found := _of_form(text, form, senders):
            sure = [
                f for f in found if f.address.lower() in meant or _REFUSED.search(f.explanation)
            ]
            return sure if sure and place >= _VAGUE else found
    for form in FORMS[:3]:  # somebody wrote to himself
        if found := _of_form(text, form, frozenset()):
            return found
    return _of_addresses(text, senders, originals)


def _of_addresses(text: str, senders: frozenset[str], originals: list[str]) -> list[Found]:
    """Who is meant where no form tells: a recipient of the original that the text names, the one
    address in the text, or else the original's recipients."""
    told = {clean(match[0]).lower(): clean(match[0]) for match in ADDRESS.finditer(text)}
    wanted = [told[a.lower()] for a in originals if a.lower() in told and a.lower() not in senders]
    if wanted:
        return explain_known(text, wanted)
    if not originals:
        left = [a for key, a in told.items() if key not in senders and not is_machine(a)]
        if len(left) == 1:
            return explain_known(text, left)
    strangers = [a for a in originals if a.lower() not in senders] or originals
    return [Found(address, text[:_LONGEST]) for address in strangers[:_MOST]]


def _of_form(text: str, form: re.Pattern[str], senders: frozenset[str]) -> list[Found]:
    """The recipients that one form finds, with what stands behind each."""
    hits: list[tuple[int, int, str]] = []
    for match in form.finditer(text):
        group = match["a"]
        if group and (address := clean(group)) and len(hits) < _MOST:
            hits.append((match.start("a"), match.end("a"), address))
    wanted = [hit for hit in hits if hit[2].lower() not in senders and not is_machine(hit[2])]
    wanted = wanted or [hit for hit in hits if hit[2].lower() not in senders]
    if not wanted:
        return []
    return _explained(text, wanted)


def _explained(text: str, hits: list[tuple[int, int, str]]) -> list[Found]:
    """Each address once, with the text up to the next one; where addresses stand in a list, with
    what follows the list."""
    found: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    ends = [start for start, _, _ in hits[1:]] + [len(text)]
    pieces = [
        text[end : min(limit, end + _LONGEST)].strip(" \t\n:,;.-")
        for (_, end, _), limit in zip(hits, ends, strict=True)
    ]
    for (_, _, address), piece in zip(hits, pieces, strict=True):
        names.setdefault(address.lower(), address)
        found.setdefault(address.lower(), []).append(piece)
    rest = pieces[-1]
    before = text[max(0, hits[0][0] - 1500) : hits[0][0]]
    result = []
    for key, texts in found.items():
        told = "\n".join(piece for piece in texts if piece) or rest or before
        result.append(Found(names[key], told[:_LONGEST]))
    return result


def explain_known(text: str, known: list[str]) -> list[Found]:
    """What the text says of addresses that are known already."""
    small = text.lower()
    wanted = {address.lower(): address for address in known[:_MOST]}
    hits = []
    for key, address in wanted.items():
        hits += [(at, at + len(key), address) for at in _places(small, key)]
    explained = {f.address: f for f in _explained(text, sorted(hits))} if hits else {}
    rest = text[-_LONGEST:] if len(wanted) == 1 else ""
    return [explained.get(a) or Found(a, rest) for a in wanted.values()]


def _places(small: str, address: str) -> list[int]:
    """The first places where an address stands in a text, whole."""
    found: list[int] = []
    at = small.find(address)
    while at >= 0 and len(found) < _PLACES:
        end = at + len(address)
        before, after = small[at - 1 : at], small[end : end + 2]
        if not _PART.match(before) and not _PART.match(after[:1]) and not _FURTHER.match(after):
            found.append(at)
        at = small.find(address, end)
    return found


# Below its address, in parentheses: what the remote server said.
_SENDMAIL_REASON = re.compile(
    r"[ \t]*\n[ \t]+\(reason: ([45]\d\d[^\n]{4,500})\)[ \t]*$", re.MULTILINE
)


def transcript_reply(text: str, address: str) -> str:
    """What a remote server said of an address, in a transcript of a session or above it."""
    small = text[:_TRANSCRIPT].lower()
    key = f"<{address.lower()}>"
    if (at := small.find(key)) >= 0 and (told := _SENDMAIL_REASON.match(text, at + len(key))):
        return told[1].strip()
    at = small.find(f"rcpt to:{key}")
    if at < 0:
        return ""
    lines = []
    for line in text[at : at + 2000].split("\n")[1:12]:
        if not line.lstrip().startswith("<<<"):
            break
        lines.append(line.lstrip()[3:].strip())
    return " ".join(lines)
