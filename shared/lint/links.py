"""Rules about links, in the HTML and in the plain text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.lint.document import Element, cut, shorten_address
from shared.lint.domains import (
    ascii_host,
    has_public_suffix,
    is_ip_address,
    organisational_domain,
)
from shared.lint.lists import load_lists
from shared.lint.mail import Mail
from shared.lint.report import Report

MAX_LINKS = 2000
_IN_TEXT = re.compile(r"https?://[^\s<>\"“”„']{1,2000}", re.IGNORECASE)
_SCRIPT = re.compile(r"(?:javascript|vbscript|data|file|blob):", re.IGNORECASE)
_BLANKS = re.compile(r"[\x00-\x20]+")
# A host as people write it, as the whole text or with something that marks an address.
_SHOWN = re.compile(
    r"(?P<mark>https?://|www\.)?(?P<host>(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24})"
    r"(?P<rest>[:/?#]\S{0,2000})?", re.IGNORECASE,
)  # fmt: skip
_MARKED = re.compile(r"(?:https?://|www\.)[^\s<>\"“”]{4,300}", re.IGNORECASE)
# Endings of files that are top-level domains too.
_FILES = frozenset(load_lists()["links"]["files"])
_RESERVED = ("example.com", "example.net", "example.org", "localhost", "example", "invalid")

SHORTENERS = frozenset(load_lists()["links"]["shorteners"])


@dataclass(frozen=True, slots=True)
class Link:
    """An address that a reader can follow; `element` is None in the plain text."""

    url: str
    where: str
    element: Element | None

    @property
    def host(self) -> str:
        """Empty where there is none, or none that can be read."""
        try:
            return urlsplit(self.url).hostname or ""
        except ValueError:
            return ""


def find_links(mail: Mail) -> Iterator[Link]:
    """All links, those of the HTML first; MAX_LINKS of each at most."""
    if mail.document:
        count = 0
        for element in mail.document.named("a", "area"):
            if "href" in element.attributes and count < MAX_LINKS:
                count += 1
                url = _BLANKS.sub("", element.attributes["href"][:4000])
                yield Link(url, element.where, element)
    for count, match in enumerate(_IN_TEXT.finditer(mail.text)):
        if count >= MAX_LINKS:
            return
        url = match.group().rstrip(".,;:!?)]}>*_")
        yield Link(url, f"/text: {shorten_address(url)}", None)


def check_links(mail: Mail, report: Report) -> None:
    """Notes what is wrong with the links."""
    anchors: set[str | None] = set()
    if mail.document:
        for element in mail.document.elements:
            anchors |= {element.attributes.get("id"), element.attributes.get("name")}
    for link in find_links(mail):
        url = link.url
        if _SCRIPT.match(url):
            report.add("link-script", link.where, f"It is a {url.partition(':')[0]}: address.")
        elif link.element and (not url or (url[0] == "#" and not _is_anchor(url[1:], anchors))):
            what = f"No element has the id “{cut(url[1:])}”." if url[1:] else "It has no address."
            report.add("link-dead", link.where, what)
        elif re.match(r"https?:", url, re.IGNORECASE):
            _check_host(link, report)
        if link.element and link.element.tag == "a" and not link.element.text:
            report.add("link-empty", link.where, "Neither text nor an alternative text is in it.")


def _is_anchor(name: str, anchors: set[str | None]) -> bool:
    return name in anchors or name.lower() == "top"


def _check_host(link: Link, report: Report) -> None:
    host = link.host
    if not host:
        report.add("link-dead", link.where, "Its address has no host.")
        return
    if is_reserved(host):
        report.add("link-example", link.where, f"{cut(host)} belongs to nobody.")
    elif link.url[:5].lower() == "http:":
        report.add("link-http", link.where, "Its address begins with http://.")
    if is_ip_address(host):
        report.add("link-ip", link.where, f"{cut(host)} is an IP address.")
    if ascii_host(host).removeprefix("www.") in SHORTENERS:
        report.add("link-shortener", link.where, f"{cut(host)} shortens anybody's addresses.")
    if "@" in urlsplit(link.url).netloc:
        report.add(
            "link-disguised", link.where,
            f"What stands before the @-sign hides the host {cut(host)}.",
            fix="Leave user name and password out of the address.",
        )  # fmt: skip
    elif link.element and (shown := shown_host(link.element.text)):
        theirs, ours = organisational_domain(shown), organisational_domain(host)
        if theirs != ours:
            what = f"It shows {cut(shown)} and leads to {cut(host)}."
            report.add("link-disguised", link.where, what)


def is_reserved(host: str) -> bool:
    """Whether it is a name that leads nobody anywhere (RFC 2606, RFC 6761)."""
    name = ascii_host(host)
    return any(name == reserved or name.endswith(f".{reserved}") for reserved in _RESERVED)


def shown_host(text: str) -> str:
    """The host that the text of a link shows as its target; empty if it shows words."""
    text = text[:2000].strip(" .,;:!?()[]<>«»“”\"'→›")
    match = _SHOWN.fullmatch(text)
    if match is None and (marked := _MARKED.search(text)):
        match = _SHOWN.match(marked.group().rstrip(".,;:!?)]}"))
    if match is None:
        return ""
    host = match.group("host")
    if (match.group("mark") or "").lower() == "www.":
        host = f"www.{host}"
    if not match.group("mark"):
        ending = host.rpartition(".")[2].lower()
        if host.count(".") == 1 and ending in _FILES and not match.group("rest"):
            return ""  # README.md
    return host if has_public_suffix(host) or is_reserved(host) else ""
