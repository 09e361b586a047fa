"""What a labelled sample is, and the message that carries it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from random import Random

from shared.messages.model import Address, Attachment, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A message's parts. rules: those of which one must find something; () for a harmless one."""

    about: str
    rules: tuple[str, ...] = ()
    subject: str = "A message"
    text: str = ""
    html: str = ""
    files: tuple[tuple[str, str, bytes], ...] = ()

    def message(self) -> Message:
        return Message(
            sender=Address(email="app@contoso.test"),
            to=(Address(email="ana@example.com"),),
            subject=self.subject,
            text=self.text or None,
            html=self.html or ("<p>See the text.</p>" if not self.text else None),
            attachments=tuple(
                Attachment(name=name, content_type=kind, content=content)
                for name, kind, content in self.files
            ),
        )


type Make = Callable[[Random], Sample]


def repeated(makes: list[tuple[Make, int]], seed: int) -> Iterator[Sample]:
    """Each maker's samples, by a chance of its own: one more maker changes no other's."""
    for number, (make, count) in enumerate(makes):
        chance = Random(f"{seed}-{number}")
        for _ in range(count):
            yield make(chance)


def placed(chance: Random, sentence: str, rules: tuple[str, ...], about: str) -> Sample:
    """The sentence as text, as HTML, or as both."""
    html = f"<html><body><p>Hello,</p><p>{escape(sentence)}</p><p>Bye</p></body></html>"
    match chance.randrange(3):
        case 0:
            return Sample(about=about, rules=rules, text=f"Hello,\n\n{sentence}\n\nBye\n")
        case 1:
            return Sample(about=about, rules=rules, html=html)
    return Sample(about=about, rules=rules, text=f"Hello,\n\n{sentence}\n\nBye\n", html=html)
