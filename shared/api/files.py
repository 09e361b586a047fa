"""`/api/files/{token}`: the page of a secure link, and the file behind its button.

GET and HEAD show, whoever asks and however often: mail scanners open every address. Only the
page's own POST fetches.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs, quote

from shared.api.answers import Answer
from shared.composing.words import ascii_file_name
from shared.errors import MailroomError
from shared.links.link import MAX_TRIES, Link
from shared.links.texts import texts_in, written_date, written_size
from shared.links.visits import LinkVisits, Visit
from shared.messages.model import OCTET_STREAM
from shared.pages import Pages, choose_language

logger = logging.getLogger(__name__)

_STATUS = {"not_found": 404, "expired": 410, "used_up": 410, "revoked": 410, "locked": 403}
_HTML = "text/html"
_LARGEST_FORM = 2000

# What a browser would show as a page of ours is sent as mere octets.
_SHOWN = ("text/html", "image/svg+xml", "application/xml", "text/xml", "application/xhtml+xml")


class FilesApi:
    """Answers recipients, in their language. Header names are expected in lower case."""

    def __init__(self, visits: LinkVisits, pages: Pages) -> None:
        self._visits = visits
        self._pages = pages

    async def serve(
        self, method: str, token: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        """What GET, HEAD and POST are answered with."""
        match method.upper():
            case "POST":
                return await self.fetch(token, body, headers)
            case "HEAD":
                return await self.head(token, headers)
        return await self.show(token, headers)

    async def show(self, token: str, headers: Mapping[str, str]) -> Answer:
        """The link's page, or a page that says why there is none. It changes nothing."""

        async def look() -> Answer:
            visit = await self._visits.look(token, address=client_address(headers))
            return self._shown(visit, headers)

        return await self._safely(look, headers)

    async def head(self, token: str, headers: Mapping[str, str]) -> Answer:
        """The same without the page, and without a word in the timeline."""

        async def look() -> Answer:
            return self._shown(await self._visits.look(token, note=False), headers)

        shown = await self._safely(look, headers)
        return Answer(shown.status, b"", shown.content_type, shown.headers)

    async def fetch(self, token: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The file, or the page again where the code is not right."""

        async def download() -> Answer:
            visit = await self._visits.download(token, _code(body), address=client_address(headers))
            if visit.link is None or visit.content is None:
                return self._shown(visit, headers)
            return _file(visit.link, visit.content)

        return await self._safely(download, headers)

    async def _safely(
        self, work: Callable[[], Awaitable[Answer]], headers: Mapping[str, str]
    ) -> Answer:
        """What `work` answers; a recipient is never shown the words of an error."""
        try:
            return await work()
        except MailroomError as error:
            logger.error("a link cannot be served: %s", error)  # noqa: TRY400 (no trace: it is told)
        except Exception:
            logger.exception("unexpected error")
        return self._notice("unavailable", 503, headers)

    def _shown(self, visit: Visit, headers: Mapping[str, str]) -> Answer:
        link = visit.link
        if link is None:
            refusal = visit.refusal or "not_found"
            return self._notice(refusal, _STATUS[refusal], headers)
        language = choose_language(headers.get("accept-language", ""))
        texts = texts_in(language)
        alarm = texts["wrong_code"].format(left=MAX_TRIES - link.tries) if visit.wrong_code else ""
        page = self._pages.render(
            "file.html", language=language, title=texts["title"], texts=texts, alarm=alarm,
            file={
                "name": link.file_name, "size": written_size(link.size, language),
                "until": f"{written_date(link.expires_at, language)} (UTC)",
                "left": link.max_downloads - link.downloads, "code": bool(link.seal),
            },
        )  # fmt: skip
        return Answer(403 if alarm else 200, page.body, _HTML, page.headers)

    def _notice(self, kind: str, status: int, headers: Mapping[str, str]) -> Answer:
        language = choose_language(headers.get("accept-language", ""))
        texts = texts_in(language)
        page = self._pages.render(
            "notice.html", language=language, title=texts[f"{kind}_title"], lines=[texts[kind]]
        )
        return Answer(status, page.body, _HTML, page.headers)


def client_address(headers: Mapping[str, str]) -> str:
    """The address that the request came from, as the host's front end saw it, "" if unknown.

    The front end adds it to what the client claims: the last one is true.
    """
    last = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if last.startswith("["):
        return last[1:].partition("]")[0]
    return last.partition(":")[0] if last.count(":") == 1 else last


def _code(body: bytes) -> str:
    """The code in a posted form, "" without one."""
    if len(body) > _LARGEST_FORM:
        return ""
    try:
        form = parse_qs(body.decode("ascii"), max_num_fields=10)
    except ValueError:
        return ""
    return form.get("code", [""])[0][:50]


def _file(link: Link, content: bytes) -> Answer:
    # RFC 6266 section 4.3: the plain name for old clients, the true one for all others.
    plain = ascii_file_name(link.file_name).replace('"', "_")
    true = quote(link.file_name, safe="")
    shown = link.media_type in _SHOWN or link.media_type.endswith("+xml")
    headers = {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{true}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return Answer(200, content, OCTET_STREAM if shown else link.media_type, headers)
