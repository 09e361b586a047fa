"""The question before each sending: to which of these addresses must this message not go?"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from shared.concurrency import run_bounded
from shared.suppression.addresses import AddressError, normalise
from shared.suppression.entry import BULK, EVERYTHING, Entry, Suppression, topic_scope
from shared.suppression.policy import TopicPolicies, TopicPolicy
from shared.suppression.suppressions import Suppressions

_AT_ONCE = 16  # point reads
_REMEMBERED = timedelta(seconds=1.5)  # an unsubscription counts in 2 s, wherever it was made
_MOST = 10_000  # addresses in memory


class SuppressionCheck:
    """Asks the filter, and for the row of an address only where there may be one; remembers a row
    for two seconds."""

    def __init__(
        self,
        suppressions: Suppressions,
        *,
        exempt_topics: Collection[str] = (),
        topics: TopicPolicies | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        """exempt_topics: those that are sent to somebody who complained; so is transactional mail
        of those that `topics` calls exempt."""
        self._suppressions = suppressions
        self._topics = topics
        self._exempt = frozenset(exempt_topics)
        self._clock = clock
        self._known: OrderedDict[str, tuple[datetime, Entry]] = OrderedDict()
        suppressions.observe(self._forget)

    async def blocked(
        self, addresses: Iterable[str], *, category: str, topic: str, sending: bool = False
    ) -> dict[str, Suppression]:
        """Those addresses to which a message of this category and topic must not go, each with
        what is against it.

        sending: the message is about to be sent to the others; a lease that is over is then on
        probation. Raises StorageUnavailableError.
        """
        policy = await self._topics.policy(topic) if self._topics and topic else TopicPolicy()
        exempt = topic in self._exempt or (policy.exempt and category != "bulk")

        async def find(address: str) -> Suppression | None:
            entry = await self._entry(address) if address in known else Entry(address=address)
            now = self._clock()
            for suppression in entry.suppressions:
                if _applies(suppression, category, topic, now, exempt=exempt):
                    return suppression
            if category == "bulk" and policy.opt_in and topic not in entry.opted_in:
                return _not_chosen(address, topic, now)
            if sending and entry.soft.until is not None and entry.soft.passed_at is None:
                await self._suppressions.let_through(address, now)
            return None

        forms = {address: form for address in addresses if (form := _form(address))}
        asked = tuple(dict.fromkeys(forms.values()))
        known = await self._suppressions.possible(asked, now=self._clock())
        answers = zip(asked, await run_bounded(find, asked, at_once=_AT_ONCE), strict=True)
        found = {form: suppression for form, suppression in answers if suppression is not None}
        return {address: found[form] for address, form in forms.items() if form in found}

    def _forget(self, form: str) -> None:
        self._known.pop(form, None)

    async def _entry(self, form: str) -> Entry:
        now = self._clock()
        known = self._known.get(form)
        if known is not None and now - known[0] < _REMEMBERED:
            return known[1]
        entry = await self._suppressions.entry(form)
        self._known[form] = now, entry
        self._known.move_to_end(form)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return entry


def _applies(
    suppression: Suppression, category: str, topic: str, now: datetime, *, exempt: bool
) -> bool:
    if not suppression.holds(now):
        return False
    if suppression.scope == EVERYTHING:
        return not (suppression.reason == "complained" and exempt)
    return category == "bulk" and suppression.scope in {BULK, topic_scope(topic)}


def _not_chosen(address: str, topic: str, now: datetime) -> Suppression:
    return Suppression(
        address=address, scope=topic_scope(topic), reason="unsubscribed", source="topic",
        since=now, detail="The topic goes only to those who have chosen it.",
    )  # fmt: skip


def _form(address: str) -> str:
    """The form in which the address is compared, "" for what is none: nobody can suppress it."""
    try:
        return normalise(address)
    except AddressError:
        return ""
