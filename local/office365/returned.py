"""What has come back to the tenant's mailboxes: a page that lists it, and JSON for scripts."""

from html import escape
from typing import Any

from aiohttp import web

from local.mailboxes import ReceivedMail, TenantMailbox, TenantMailboxes

from .reading import read_fields

_MOST = 500
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Returned mail</title>
<link rel="stylesheet" href="/inbox.css"></head>
<body><h1>Returned mail</h1><p><a href="/">Sent mail</a></p>
<table><thead><tr><th>received</th><th>mailbox</th><th>folder</th><th>from</th><th>subject</th>
<th>read</th></tr></thead><tbody>
{rows}</tbody></table></body></html>
"""


class ReturnedPages:
    """The routes; newest first."""

    def __init__(self, mailboxes: TenantMailboxes) -> None:
        self._mailboxes = mailboxes

    def routes(self) -> list[web.RouteDef]:
        """Every route, one a line."""
        return [
            web.get("/returned", self.show_page),
            web.get("/api/returned", self.list_returned),
            web.get("/api/returned/{id}/source", self.show_source),
        ]

    async def list_returned(self, request: web.Request) -> web.Response:
        """The mail of all mailboxes, or of `?mailbox=`."""
        return web.json_response({"returned": self._described(request.query.get("mailbox"))})

    async def show_page(self, _: web.Request) -> web.Response:
        """The list for people."""
        rows = "".join(_row(one) for one in self._described(None))
        headers = {
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        }
        return web.Response(text=_PAGE.format(rows=rows), content_type="text/html", headers=headers)

    async def show_source(self, request: web.Request) -> web.Response:
        """A mail as it was received."""
        for mailbox in self._mailboxes.all:
            if mail := mailbox.find(request.match_info["id"]):
                return web.Response(body=mail.content, content_type="text/plain")
        raise web.HTTPNotFound(text="there is no such mail")

    def _described(self, address: str | None) -> list[dict[str, Any]]:
        found = [
            (mailbox, mail)
            for mailbox in self._mailboxes.all
            if address is None or mailbox.address.lower() == address.lower()
            for mail in mailbox.received()
        ]
        found.sort(key=lambda pair: pair[1].received_at, reverse=True)
        return [_describe(mailbox, mail) for mailbox, mail in found[:_MOST]]


def _describe(mailbox: TenantMailbox, mail: ReceivedMail) -> dict[str, Any]:
    fields = {name.lower(): value for name, value in reversed(read_fields(mail.content[:65536]))}
    folder = mailbox.folder(mail.folder)
    return {
        "id": mail.immutable_id,
        "mailbox": mailbox.address,
        "folder": folder.name if folder else "",
        "received_at": mail.received_at.isoformat(),
        "from": fields.get("from", ""),
        "subject": fields.get("subject", ""),
        "is_read": mail.is_read,
        "size": len(mail.content),
    }


def _row(mail: dict[str, Any]) -> str:
    link = f"/api/returned/{escape(mail['id'])}/source"
    cells = [escape(str(mail[name])) for name in ("received_at", "mailbox", "folder", "from")]
    cells += [f'<a href="{link}">{escape(mail["subject"] or "–")}</a>']
    cells += ["yes" if mail["is_read"] else "no"]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"
