"""What the checks look at."""

from dataclasses import dataclass

from shared.lint.document import Document
from shared.messages.model import Message

MAX_TEXT = 128 * 1024  # characters of the plain text that are looked at


@dataclass(frozen=True, slots=True)
class Mail:
    """A message and its HTML; `document` is None where it has none."""

    message: Message
    document: Document | None

    @property
    def text(self) -> str:
        """The plain text, as far as it is looked at."""
        return (self.message.text or "")[:MAX_TEXT]

    @property
    def language(self) -> str:
        """The primary subtag that the HTML declares; empty if it does not."""
        for element in self.document.named("html", "body") if self.document else ():
            if declared := element.attributes.get("lang", "").strip():
                return declared.partition("-")[0].lower()
        return ""

    @property
    def bulk(self) -> bool:
        return self.message.category == "bulk"
