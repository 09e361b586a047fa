"""A message that uses everything, through each step in the order of acceptance, to the mail."""

import re

from shared.attachments import Attachments
from shared.attachments.fetching import FetchedFile
from shared.calendar import complete_event
from shared.composing import encoded_size
from shared.messages.parsing import message_json, parse_message
from tests.composing.reading import make, send, tree
from tests.links.desk import PDF, Desk

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


class Server:
    """The one file that there is."""

    async def fetch(self, url: str, *, limit: int) -> FetchedFile:
        return FetchedFile(PDF, "papers.pdf", "application/pdf")


async def test_fetched_linked_inline_and_invited(desk: Desk) -> None:
    message = make(
        html='<body><p>Hello</p><img src="cid:logo" alt=""></body>',
        attachments=[
            {"name": "logo.png", "content": PNG, "inline_id": "logo"},
            {"url": "https://files.contoso.com/a?sig=x"},
            {"url": "https://files.contoso.com/b?sig=x", "deliver": "link", "code": True},
        ],
        event={"start": "2027-01-14T09:00", "end": "2027-01-14T10:00", "zone": "Europe/Berlin"},
    )
    ready = await Attachments(Server(), size_limit=100_000).prepare(message)
    ready = complete_event(ready, "whole", now=desk.clock())
    linked = await desk.posting.replace(ready, "whole")
    stored = parse_message(message_json(linked.message))
    assert stored == linked.message
    mail = send(stored)
    assert tree(mail.old) == [
        "mixed",
        ["alternative", "text/plain", ["related", "text/html", "image/png"], "text/calendar"],
        "application/pdf",
        "application/ics",
    ]
    assert mail.composed.size <= encoded_size(stored)
    assert b"sig=x" not in mail.content
    html = next(p for p in mail.leaves() if p.get_content_type() == "text/html").get_content()
    found = re.search(r'/api/files/([^"]+)"', html)
    assert found
    assert (await desk.get(found[1])).status == 200
    assert linked.code is not None
    assert tree(send(linked.code).old) == "text/plain"
