"""`/api/returned-mail`: what came back and could not be read, or fits no message of ours."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.api.answers import Answer, answer, json_answer
from shared.errors import InvalidMessageError
from shared.feedback.kept import KeptFilter, KeptMail, KeptMails
from shared.messages.parsing import list_problems


class ReturnedMailQuery(BaseModel):
    """Which mails to list. As query parameters, so all of them come as text."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal[
        "", "bounce", "delayed", "complaint", "unsubscribe", "auto-reply", "challenge", "other"
    ] = ""
    matched: bool | None = Field(default=None, description="Whether it fits a message.")
    since: AwareDatetime | None = Field(default=None, description="Received at this time or later.")
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, Field(max_length=100, pattern=r"^([0-9]{14}-[0-9a-f]{24})?$")] = Field(
        default="", description="That of the page before."
    )


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReturnedMailView(_View):
    """One mail."""

    id: str
    url: str = Field(description="Where its octets can be had.")
    mailbox: str
    folder: str
    received_at: datetime
    kind: str
    understood: bool
    match: str = Field(description="How surely it fits a message: signed, message-id … none.")
    message_id: str = Field(description="The id of the message that it fits, or empty.")
    why: str = Field(description="Why it is kept.")
    subject: str
    size: int
    cut: bool = Field(description="Whether the mail was longer than what was fetched of it.")


class ReturnedMailPage(_View):
    """A page of mails, newest first."""

    returned_mail: list[ReturnedMailView]
    cursor: str | None = Field(description="For the next page; null after the last.")


class ReturnedMailApi:
    """Lists and shows kept returned mail."""

    def __init__(self, kept: KeptMails) -> None:
        self._kept = kept

    async def list(self, query: Mapping[str, str], url: str) -> Answer:
        """200 with a page. query: the URL's parameters; `url` is the request's own."""
        return await answer(lambda: self._list(query, url))

    async def _list(self, query: Mapping[str, str], url: str) -> Answer:
        try:
            wanted = ReturnedMailQuery.model_validate(dict(query))
        except ValidationError as error:
            raise InvalidMessageError(list_problems(error)) from None
        found, cursor = await self._kept.page(
            KeptFilter(kind=wanted.kind, matched=wanted.matched, since=wanted.since),
            after=wanted.cursor, limit=wanted.limit,
        )  # fmt: skip
        base = url.partition("?")[0].rstrip("/")
        page = ReturnedMailPage(
            returned_mail=[_view(mail, base) for mail in found], cursor=cursor or None
        )
        return json_answer(200, page.model_dump(mode="json"))

    async def get(self, kept: str) -> Answer:
        """200 with the mail's octets (message/rfc822), or 404."""
        return await answer(lambda: self._get(kept))

    async def _get(self, kept: str) -> Answer:
        content = await self._kept.content(kept)
        # It is a stranger's: no browser is to show it as a page of ours.
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{kept}.eml"',
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
        }
        return Answer(200, content, "message/rfc822", headers)


def _view(mail: KeptMail, base: str) -> ReturnedMailView:
    return ReturnedMailView(
        id=mail.id,
        url=f"{base}/{mail.id}",
        mailbox=mail.mailbox,
        folder=mail.folder,
        received_at=mail.received_at,
        kind=mail.kind,
        understood=mail.understood,
        match=mail.match,
        message_id=mail.message_id,
        why=mail.why,
        subject=mail.subject,
        size=mail.size,
        cut=mail.cut,
    )
