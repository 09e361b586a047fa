"""The ways out of a mail: the link for people, the header fields for mail programs."""

import re
from urllib.parse import quote

from shared.settings import Settings
from shared.unsubscribing.tokens import Seals, Subscriber, Tokens

_MOST_LOCAL = 64  # octets before the @-sign (RFC 5321 section 4.5.3.1.1)
_TAG = "+unsubscribe"


class UnsubscribeLinks:
    """Makes them, in the settings' addresses and with the signing keys."""

    def __init__(self, settings: Settings, seals: Seals) -> None:
        self._settings = settings
        self._tokens = Tokens(seals)

    async def url(self, message_id: str, recipient: str, topic: str) -> str:
        """The address of the page for this recipient, the same whenever it is asked for; "" where
        there is no public address or no key."""
        token = await self._tokens.make(Subscriber(recipient, topic, message_id))
        return self._url(token)

    async def headers(
        self, *, message_id: str, sender: str, recipient: str, topic: str
    ) -> dict[str, str]:
        """The header fields of RFC 2369 (section 3.2), RFC 8058 and RFC 2919.

        Without a key the request by mail names the topic, and needs a person to read it.
        """
        token = await self._tokens.make(Subscriber(recipient, topic, message_id))
        subject = quote(f"unsubscribe {token or topic}")
        ways = [f"<mailto:{quote(self._mailbox(sender), safe='@+')}?subject={subject}>"]
        headers = {"List-Id": _list_id(topic, sender)}
        if url := self._url(token):
            ways.insert(0, f"<{url}>")
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return {**headers, "List-Unsubscribe": ", ".join(ways)}

    def _url(self, token: str) -> str:
        public = self._settings.public_url
        return f"{public.rstrip('/')}/api/unsubscribe/{token}" if public and token else ""

    def _mailbox(self, sender: str) -> str:
        """A mailbox that is read, if one of the sender's is; with the tag where it fits."""
        own = self._settings.mailboxes_for(sender) or (sender,)
        read = self._settings.read_mailboxes
        mailbox = next((one for one in own if one in read), own[0])
        local, _, domain = mailbox.rpartition("@")
        tagged = f"{local}{_TAG}"
        fits = "+" not in local and len(tagged.encode()) <= _MOST_LOCAL
        return f"{tagged}@{domain}" if self._settings.plus_addresses and fits else mailbox


def _list_id(topic: str, sender: str) -> str:
    """Labels are dot-atoms: a topic may have dots in places where they may not."""
    label = re.sub(r"\.{2,}", ".", topic).strip(".")
    return f"<{label}.{sender.rpartition('@')[2]}>"
