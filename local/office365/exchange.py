"""The submission service behind the sessions: logins, permissions, limits, accepted mail."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from . import replies
from .content import read_from, read_header, read_message_id
from .counters import Counters
from .envelope import Envelope
from .faults import FaultPlan
from .mail import KeptMessage, MailStore
from .quota import Quotas, count_external
from .replies import Reply
from .tenant import Limits, Mailbox, RecipientRule, RecipientTable, Tenant
from .tokens import Credentials, Login, TokenError, TokenKeys, log_in, read_claims

_LOGGER = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The clock that servers run on unless they are given another."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Channel:
    """What a session is, for the record: its id and its TLS."""

    session_id: str
    tls_version: str
    cipher: str


class Exchange:
    """The state that all sessions of one server share.

    `clock` gives the time, `sleep` waits for so many of its seconds (rate limit, faults), `rng`
    makes ids and the choices of improbable faults. `limits` may be replaced at any time.
    """

    def __init__(
        self,
        token_keys: TokenKeys,
        *,
        mailboxes: Iterable[Mailbox],
        limits: Limits,
        tenant: Tenant,
        recipient_rules: tuple[RecipientRule, ...],
        store: MailStore,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.limits = limits
        self.tenant = tenant
        self.table = RecipientTable(recipient_rules)
        self.store = store
        self.on_kept: Callable[[KeptMessage], None] = lambda _: None
        self.counters = Counters()
        self.rng = rng or random.Random()
        self.faults = FaultPlan(random.Random(self.rng.getrandbits(64)))
        self.quotas = Quotas(self.counters)
        self.clock = clock
        self.sleep = sleep
        self._token_keys = token_keys
        self._mailboxes = {one.address.lower(): one for one in mailboxes}
        self._sessions: dict[str, dict[str, bool]] = {}

    @property
    def mailboxes(self) -> tuple[Mailbox, ...]:
        """All mailboxes."""
        return tuple(self._mailboxes.values())

    def mailbox(self, address: str) -> Mailbox | None:
        """Return the mailbox with this address (any case)."""
        return self._mailboxes.get(address.lower())

    def put_mailbox(self, mailbox: Mailbox) -> None:
        """Add a mailbox, or replace the one with its address."""
        self._mailboxes[mailbox.address.lower()] = mailbox

    async def authenticate(self, credentials: Credentials, session_id: str) -> Login | Reply:
        """Check an XOAUTH2 login; return it, or Exchange's refusal."""
        self.counters.auths += 1
        now = self.clock()
        mailbox = self.mailbox(credentials.user)
        try:
            claims = await read_claims(
                credentials.token, self._token_keys, tenant_id=self.tenant.id, now=now
            )
            if mailbox is None:
                return self.refuse_login("no such mailbox", replies.UNSUCCESSFUL, session_id)
            if not (mailbox.smtp_auth and self.tenant.smtp_auth):
                reason = (
                    replies.SMTP_AUTH_OFF_MAILBOX
                    if self.tenant.smtp_auth
                    else replies.SMTP_AUTH_OFF_TENANT
                )
                return self.refuse_login("SMTP AUTH is disabled", reason, session_id)
            login = log_in(claims, mailbox, self.tenant)
        except TokenError as error:
            return self.refuse_login(str(error), replies.UNSUCCESSFUL, session_id)
        self._enter(login.mailbox, session_id)
        return login

    def refuse_login(self, reason: str, reply: str, session_id: str) -> Reply:
        """Count and log a refused login; return the 535 reply. `reason` is not told the client."""
        self.counters.auth_refusals[reason] += 1
        _LOGGER.info("AUTH refused: %s", reason)
        stamp = self.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return replies.authentication_refused(reply, f"{stamp} {session_id}")

    def submit(
        self, login: Login, envelope: Envelope, content: bytes, on: Channel
    ) -> tuple[Reply, float]:
        """Take or refuse a complete message; return the reply and the seconds to hold it back."""
        header = read_header(content)
        now = self.clock()
        mailbox = self._mailboxes[login.mailbox.lower()]
        external = count_external([one.address for one in envelope.recipients], self.tenant)
        refusal = self._refusal(mailbox, login, envelope, header, on.session_id) or (
            self.quotas.refusal(
                mailbox,
                len(envelope.recipients),
                external,
                limits=self.limits,
                now=now.timestamp(),
            )
        )
        if refusal is not None:
            self.counters.refused_messages[refusal.text.partition(" ")[0]] += 1
            return refusal, 0.0
        delay = self.quotas.take(
            mailbox, len(envelope.recipients), external, limits=self.limits, now=now.timestamp()
        )
        message_id = self._keep(login, envelope, content, header, on, now, delay)
        return replies.accepted(message_id), delay

    def _refusal(
        self, mailbox: Mailbox, login: Login, envelope: Envelope, header: bytes, session_id: str
    ) -> Reply | None:
        if not self._holds_connection(login.mailbox, session_id):
            self.counters.over_limit["concurrent_connections"] += 1
            return replies.CONCURRENCY
        if login.way == "A" and not mailbox.is_open_to(login.app_id):
            return replies.LOGON_FAILED
        senders = [*read_from(header), *([envelope.sender] if envelope.sender else [])]
        for address in senders:
            if not mailbox.may_send_as(address):
                return replies.send_as_denied(mailbox.address, address)
        for recipient in envelope.recipients:
            if reply := self.table.refusal(recipient.address, "data"):
                return reply
        return None

    def _keep(  # noqa: PLR0917 - private, and called once
        self,
        login: Login,
        envelope: Envelope,
        content: bytes,
        header: bytes,
        on: Channel,
        now: datetime,
        delay: float,
    ) -> str:
        original = read_message_id(header)
        message_id = original
        if message_id is None or self.tenant.replaces_message_ids:
            message_id = f"<{self.rng.getrandbits(96):024X}@{replies.MAILBOX_SERVER}>"
        counters = self.counters
        counters.messages += 1
        counters.recipients += len(envelope.recipients)
        counters.octets += len(content)
        number = self.store.next_number()
        if self.store.keep == "ids":
            self.store.ids.append(message_id)
            return message_id
        kept = KeptMessage(
            number=number,
            message_id=message_id,
            original_message_id=original,
            mailbox=login.mailbox,
            app_id=login.app_id,
            sender=envelope.sender,
            parameters=envelope.parameters,
            recipients=tuple(envelope.recipients),
            received_at=now,
            session_id=on.session_id,
            size=len(content),
            chunking=envelope.chunking,
            pipelining=envelope.pipelined,
            tls_version=on.tls_version,
            cipher=on.cipher,
            delay=delay,
            body=self.store.hold(number, content),
        )
        self.store.add(kept)
        self.on_kept(kept)
        return message_id

    def _enter(self, mailbox: str, session_id: str) -> None:
        sessions = self._sessions.setdefault(mailbox.lower(), {})
        sessions[session_id] = self._has_room(sessions)
        most = self.counters.concurrent_max
        most[mailbox] = max(most[mailbox], len(sessions))

    def leave(self, mailbox: str, session_id: str) -> None:
        """Give back the connection that a session of this mailbox held."""
        self._sessions.get(mailbox.lower(), {}).pop(session_id, None)

    def _holds_connection(self, mailbox: str, session_id: str) -> bool:
        # Clients see the 432 as the answer to their message, not at connect or AUTH, and a
        # session beyond the limit may go on once another one has closed.
        sessions = self._sessions[mailbox.lower()]
        if not sessions[session_id]:
            sessions[session_id] = self._has_room(sessions)
        return sessions[session_id]

    def _has_room(self, sessions: Mapping[str, bool]) -> bool:
        limit = self.limits.concurrent_connections
        return limit is None or sum(sessions.values()) < limit

    def sessions(self) -> dict[str, int]:
        """Return the number of open authenticated sessions of each mailbox."""
        return {mailbox: len(open_ones) for mailbox, open_ones in self._sessions.items()}

    def as_json(self) -> dict[str, Any]:
        """Return counters and open sessions as a JSON object."""
        return {**self.counters.as_json(), "sessions": self.sessions()}
