"""Graph's mail API at `https://localhost:PORT/v1.0`."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from local.certificates import LocalAuthority
from local.faults import Fault, FaultQueue, fault_routes, suffer
from local.mailboxes import MailFolder, ReceivedMail, TenantMailbox, TenantMailboxes
from local.office365.tokens import TokenKeys
from local.web import Clock, WebServer, utc_now

from .access import Access
from .delta import DeltaQueries, Entry
from .errors import GraphError, bad_request, item_not_found, outage, state_gone
from .queries import (
    FOLDER_PROPERTIES,
    MESSAGE_PROPERTIES,
    Preferences,
    read_filter,
    read_message_id,
    read_number,
    read_preferences,
    read_select,
    refuse_other_options,
)

_MAILBOX = "/v1.0/users/{mailbox}"
_AT_ONCE = 4
_LISTED = frozenset({"$select", "$filter", "$orderby", "$top", "$skip"})

type Handler = Callable[["Ask"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that was let in."""

    request: web.Request
    mailbox: TenantMailbox
    preferences: Preferences

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    def folder(self) -> MailFolder:
        folder = self.mailbox.folder(self.request.match_info["folder"])
        if folder is None:
            raise item_not_found()
        return folder

    def mail(self) -> ReceivedMail:
        mail = self.mailbox.find(self.request.match_info["id"])
        if mail is None:
            raise item_not_found()
        return mail

    async def json(self) -> dict[str, Any]:
        if self.request.content_type != "application/json":
            raise bad_request("A Content-Type of application/json is required.")
        try:
            body = await self.request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise bad_request("Unable to read JSON request payload.")
        return body


class GraphServer(WebServer):
    """The mailboxes behind Graph. `latency`: seconds that each answer takes. `requests` counts by
    operation, `statuses` by status; `most_at_once` is the largest number of one mailbox."""

    def __init__(
        self,
        authority: LocalAuthority,
        token_keys: TokenKeys,
        mailboxes: TenantMailboxes,
        *,
        tenant_id: str,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0.0,
        clock: Clock = utc_now,
    ) -> None:
        super().__init__(host=host, port=port, context=authority.server_context("graph"))
        self.access = Access(token_keys, tenant_id)
        self.mailboxes = mailboxes
        self.deltas = DeltaQueries()
        self.faults = FaultQueue()
        self.latency = latency
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.most_at_once = 0
        self._running: Counter[str] = Counter()
        self._clock = clock

    def application(self) -> web.Application:
        application = web.Application()
        get, post, patch = web.get, web.post, web.patch
        folders, messages = f"{_MAILBOX}/mailFolders", f"{_MAILBOX}/messages/{{id}}"
        application.add_routes(
            [
                get(f"{folders}/{{folder}}/messages/delta", self._let_in(self._delta)),
                get(f"{folders}/{{folder}}/messages", self._let_in(self._list)),
                get(folders, self._let_in(self._folders)),
                post(folders, self._let_in(self._make_folder)),
                get(f"{messages}/$value", self._let_in(self._value)),
                patch(messages, self._let_in(self._update)),
                post(f"{messages}/move", self._let_in(self._move)),
                *fault_routes(self.faults),
                web.delete("/local/states", self._forget),
            ]
        )
        return application

    def _let_in(self, handle: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Faults, access, limits; refusals in Graph's shape."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self.requests[handle.__name__.strip("_")] += 1
            try:
                response = await self._answer(request, handle)
            except GraphError as error:
                body = error.body(self._clock())
                response = web.json_response(body, status=error.status, headers=error.headers)
            self.statuses[response.status] += 1
            return response

        return answer

    async def _answer(self, request: web.Request, handle: Handler) -> web.StreamResponse:
        fault = self.faults.take()
        if fault is not None:
            await self._suffer(fault, request)
        address = request.match_info["mailbox"]
        mailbox = self.mailboxes.get(address)
        writing = request.method != "GET"
        now = self._clock()
        await self.access.check(request.headers, address, writing=writing, now=now)
        if mailbox is None:
            raise GraphError(404, "ErrorInvalidUser", f"The requested user '{address}' is invalid.")
        if self._running[mailbox.address] >= _AT_ONCE:
            raise outage(429, 1)
        self._running[mailbox.address] += 1
        self.most_at_once = max(self.most_at_once, self._running[mailbox.address])
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            preferences = read_preferences(",".join(request.headers.getall("Prefer", [])))
            return await handle(Ask(request, mailbox, preferences))
        finally:
            self._running[mailbox.address] -= 1

    async def _suffer(self, fault: Fault, request: web.Request) -> None:
        await suffer(fault, request, self.stopping)
        raise outage(fault.status, fault.retry_after)

    async def _delta(self, ask: Ask) -> web.Response:
        folder = ask.folder()
        size = ask.preferences.page_size
        path = f"{self.url}{ask.request.path}"
        page = self.deltas.page(ask.mailbox, folder, ask.query, size)
        if page is None:
            raise state_gone(f"{path}?$deltatoken=")
        name = "@odata.nextLink" if page.option == "$skiptoken" else "@odata.deltaLink"
        entries = [self._entry(entry, page.select, ask) for entry in page.entries]
        return self._collection(entries, {name: f"{path}?{page.option}={page.token}"})

    async def _list(self, ask: Ask) -> web.Response:
        query = ask.query
        refuse_other_options(query, _LISTED)
        wanted = read_message_id(query.get("$filter"))
        text = None if wanted else query.get("$filter")
        window = read_filter(text, operators=("ge", "gt", "le", "lt"))
        order = query.get("$orderby", "receivedDateTime desc")
        by, _, direction = order.partition(" ")
        if by != "receivedDateTime" or direction not in ("", "asc", "desc"):
            raise bad_request(f"The order {order} is not supported.")
        select = read_select(query.get("$select"), MESSAGE_PROPERTIES)
        top = read_number(query.get("$top"), low=1, default=10)
        skip = read_number(query.get("$skip"), low=0, default=0)
        found = [
            m for m in ask.mailbox.mails(ask.folder())
            if window.holds(m.received_at) and wanted in {None, _head(m).get("Message-ID")}
        ]  # fmt: skip
        found.sort(key=lambda mail: mail.received_at, reverse=direction == "desc")
        links = {}
        if len(found) > skip + top:
            options = urlencode({**query, "$skip": skip + top}, safe="$,:")
            links = {"@odata.nextLink": f"{self.url}{ask.request.path}?{options}"}
        page = [self._entry(Entry(m), select, ask) for m in found[skip : skip + top]]
        return self._collection(page, links)

    async def _folders(self, ask: Ask) -> web.Response:
        query = ask.query
        refuse_other_options(query, {"$select", "$filter", "$top"})
        select = read_select(query.get("$select"), FOLDER_PROPERTIES)
        folders = ask.mailbox.folders
        if "$filter" in query:
            before, quote, name = query["$filter"].partition("displayName eq '")
            if before or not quote or not name.endswith("'"):
                raise GraphError(400, "ErrorInvalidRestriction", "Unsupported filter clause.")
            wanted = name[:-1].replace("''", "'").lower()
            folders = tuple(one for one in folders if one.name.lower() == wanted)
        return self._collection([_chosen(self._folder_json(one), select) for one in folders], {})

    async def _make_folder(self, ask: Ask) -> web.Response:
        body = await ask.json()
        name = body.get("displayName")
        if not isinstance(name, str) or not name or set(body) - {"displayName", "isHidden"}:
            raise bad_request("A folder has a displayName.")
        if any(one.name.lower() == name.lower() for one in ask.mailbox.folders):
            raise GraphError(409, "ErrorFolderExists", "A folder with this name already exists.")
        made = ask.mailbox.make_folder(name)
        return web.json_response(self._folder_json(made), status=201)

    async def _value(self, ask: Ask) -> web.Response:
        refuse_other_options(ask.query, ())
        return web.Response(body=ask.mail().content, content_type="text/plain")

    async def _update(self, ask: Ask) -> web.Response:
        mail, body = ask.mail(), await ask.json()
        if set(body) != {"isRead"} or not isinstance(body["isRead"], bool):
            raise bad_request("Only isRead can be updated here.")
        changed = ask.mailbox.mark(mail, is_read=body["isRead"])
        return web.json_response(self._entry(Entry(changed), (), ask))

    async def _move(self, ask: Ask) -> web.Response:
        mail, body = ask.mail(), await ask.json()
        target = ask.mailbox.folder(str(body.get("destinationId", "")))
        if set(body) != {"destinationId"} or target is None:
            raise GraphError(404, "ErrorFolderNotFound", "The specified folder was not found.")
        moved = ask.mailbox.move(mail, target)
        return web.json_response(self._entry(Entry(moved), (), ask), status=201)

    async def _forget(self, _request: web.Request) -> web.Response:
        """`DELETE /local/states`: every delta link is too old from now on."""
        return web.json_response({"forgotten": self.deltas.forget()})

    def _entry(self, entry: Entry, select: tuple[str, ...], ask: Ask) -> dict[str, Any]:
        mail = entry.mail
        identifier = mail.immutable_id if ask.preferences.immutable else mail.id
        if entry.removed:
            return {
                "@odata.type": "#microsoft.graph.message",
                "id": identifier,
                "@removed": {"reason": "deleted"},
            }
        head = _head(mail)
        values = {
            "id": identifier,
            "receivedDateTime": mail.received_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "subject": str(head.get("Subject", "")),
            "internetMessageId": str(head.get("Message-ID", "")),
            "isRead": mail.is_read,
            "parentFolderId": mail.folder,
        }
        etag = f'W/"{abs(hash((mail.id, mail.is_read))):x}"'
        kind = {"@odata.type": "#microsoft.graph.message", "@odata.etag": etag}
        return {**kind, **_chosen(values, select)}

    def _folder_json(self, folder: MailFolder) -> dict[str, Any]:
        return {"id": folder.id, "displayName": folder.name}

    def _collection(self, values: list[dict[str, Any]], links: Mapping[str, str]) -> web.Response:
        context = f"{self.url}/v1.0/$metadata#Collection(message)"
        body = {"@odata.context": context, **links, "value": values}
        return web.Response(text=json.dumps(body), content_type="application/json")


def _head(mail: ReceivedMail) -> Message:
    return BytesHeaderParser(policy=policy.compat32).parsebytes(mail.content[:65536])


def _chosen(values: dict[str, Any], select: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in select if name in values} if select else values
