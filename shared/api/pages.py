"""`/api/pages`: pages for people. They are files without data; what they show they ask the API."""

import asyncio
import hashlib
from functools import lru_cache
from pathlib import Path

from shared.api.answers import Answer, answer
from shared.errors import NotFoundError

_FOLDER = Path(__file__).parent / "static"

_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
_HTML = "text/html; charset=utf-8"

# Nothing from elsewhere, no inline script or style, and nobody may put the page into a frame.
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# A mail is shown in a document of its own: with its styles and pictures, and without any script.
_FRAME = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin"
)
_FILES = {
    "templates": ("templates.html", _HTML, _PAGE),
    "templates.css": ("templates.css", _STYLE, _PAGE),
    "templates.js": ("templates.js", _SCRIPT, _PAGE),
    "mailroom.js": ("mailroom.js", _SCRIPT, _PAGE),
    "places.js": ("places.js", _SCRIPT, _PAGE),
    "schemes.js": ("schemes.js", _SCRIPT, _PAGE),
    "frame": ("frame.html", _HTML, _FRAME),
}


class PagesApi:
    """Serves the files of pages to anybody: they hold nothing that is not in the source."""

    async def get(self, name: str) -> Answer:
        """200 with a file, or 404."""
        return await answer(lambda: self._get(name))

    async def _get(self, name: str) -> Answer:
        if name not in _FILES:
            raise NotFoundError("There is no such page.", fix="Open /api/pages/templates.")
        file, content_type, policy = _FILES[name]
        body, digest = await asyncio.to_thread(_read, file)
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-cache",
            "ETag": f'"{digest}"',
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return Answer(200, body, content_type, headers)


@lru_cache(maxsize=len(_FILES))
def _read(file: str) -> tuple[bytes, str]:
    body = (_FOLDER / file).read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:32]
