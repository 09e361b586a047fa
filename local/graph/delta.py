"""Delta queries: rounds of pages, with state tokens that can be forgotten.

learn.microsoft.com/graph/delta-query-overview, learn.microsoft.com/graph/delta-query-messages
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from local.mailboxes import Change, MailFolder, ReceivedMail, TenantMailbox

from .errors import GraphError, bad_request
from .queries import (
    MESSAGE_PROPERTIES,
    Window,
    read_filter,
    read_select,
    refuse_other_options,
)

_MOST_FILTERED = 5000
_INITIAL = frozenset({"$select", "$filter", "$top", "changeType"})
_STATES = ("$skiptoken", "$deltatoken")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a page: a mail, or the sign that it has gone from the folder."""

    mail: ReceivedMail
    removed: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What a token stands for. `waiting`: the rest of the round; `through`: the last change that
    the round knows of."""

    mailbox: str
    folder: str
    select: tuple[str, ...]
    window: Window
    change_type: str
    through: int
    waiting: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a round; `option` and `token` are those of the link that follows."""

    entries: tuple[Entry, ...]
    select: tuple[str, ...]
    option: str
    token: str


class DeltaQueries:
    """The rounds of all mailboxes."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}

    def forget(self) -> int:
        """From now on no link is known any more: the next one that is followed is gone (410)."""
        count = len(self._states)
        self._states.clear()
        return count

    def page(
        self, mailbox: TenantMailbox, folder: MailFolder, query: Mapping[str, str], size: int
    ) -> Page | None:
        """The page that the request asks for; None where its token is not known."""
        given = [name for name in _STATES if name in query]
        if given:
            refuse_other_options(query, given[:1])  # the token stands for all the others
            state = self._states.get(query[given[0]])
            if state is None or (state.mailbox, state.folder) != (mailbox.address, folder.id):
                return None
            if given[0] == "$deltatoken":
                state = _next_round(state, mailbox)
        else:
            state = _first_round(mailbox, folder, query)
        rest = state.waiting[size:]
        token = secrets.token_urlsafe(60)
        self._states[token] = replace(state, waiting=rest)
        return Page(state.waiting[:size], state.select, _STATES[0 if rest else 1], token)


def _first_round(mailbox: TenantMailbox, folder: MailFolder, query: Mapping[str, str]) -> State:
    refuse_other_options(query, _INITIAL)
    change_type = query.get("changeType", "")
    if change_type not in ("", "created", "updated", "deleted"):
        raise bad_request(f"The value {change_type} of changeType is not supported.")
    window = read_filter(query.get("$filter"), operators=("ge", "gt"))
    if len(window.conditions) > 1:
        raise GraphError(400, "ErrorInvalidRestriction", "One condition is supported here.")
    found = [mail for mail in mailbox.mails(folder) if window.holds(mail.received_at)]
    if window.conditions:
        found = found[-_MOST_FILTERED:]
    return State(
        mailbox.address,
        folder.id,
        read_select(query.get("$select"), MESSAGE_PROPERTIES),
        window,
        change_type,
        len(mailbox.changes),
        # No order is promised, so none should be relied on.
        tuple(Entry(mail) for mail in sorted(found, key=lambda mail: mail.id[::-1])),
    )


def _next_round(state: State, mailbox: TenantMailbox) -> State:
    """What has changed since the round before, each mail once."""
    kinds: dict[str, list[Change]] = {}
    for change in mailbox.changes[state.through :]:
        if change.folder == state.folder:
            kinds.setdefault(change.mail.immutable_id, []).append(change)
    entries = []
    for changes in kinds.values():
        first, last = changes[0], changes[-1]
        removed = last.kind == "deleted"
        if removed and first.kind == "created":
            continue  # came and went between the rounds
        kind = "deleted" if removed else first.kind
        if kind == "deleted" and not removed:
            kind = "created"  # left, and came back
        if state.change_type in ("", kind) and state.window.holds(last.mail.received_at):
            entries.append(Entry(last.mail, removed))
    entries.reverse()
    return replace(state, through=len(mailbox.changes), waiting=tuple(entries))
