"""What Mailroom writes into a mail: to know it again when something comes back, and the way out."""

from shared.accounts.signing import MESSAGE_ID, Signing
from shared.messages.model import Message
from shared.messages.record import MessageRecord
from shared.unsubscribing import UnsubscribeLinks, with_unsubscribe_footer


class Marks:
    """Mailroom's own header fields and footer. language: of the footer."""

    def __init__(self, signing: Signing, links: UnsubscribeLinks, *, language: str = "en") -> None:
        self._signing = signing
        self._links = links
        self._language = language

    async def headers(self, record: MessageRecord, *, listed: bool) -> dict[str, str]:
        """`X-Mailroom-Id: <id>.<signature>` (the bare id where there is no key), and what makes a
        listed message one that can be unsubscribed from: it has just one recipient."""
        signed = await self._signing.sign(MESSAGE_ID, record.id)
        headers = {"X-Mailroom-Id": signed or record.id}
        if listed:
            headers |= await self._links.headers(
                message_id=record.id, sender=record.sender, recipient=record.recipients[0].email,
                topic=record.topic,
            )  # fmt: skip
        return headers

    async def footed(self, record: MessageRecord, message: Message) -> Message:
        """The message with a visible link to unsubscribe where it can be and shows none. It is
        added here, so that the messages of a batch share what they have in common till now."""
        if not message.listed:
            return message
        recipient = record.recipients[0].email
        url = await self._links.url(record.id, recipient, record.topic)
        return with_unsubscribe_footer(message, url, self._language)
