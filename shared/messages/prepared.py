"""A message as it leaves: what is made of it between its acceptance and its record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.errors import FieldProblem
from shared.findings import Finding
from shared.messages.model import Message


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that is ready to be composed.

    findings: what lint and the guard have to tell about it. held: somebody must release it first.
    template: name and version of the template that made it, such as `invoice@7`. companions:
    messages that belong to it, by the ids to record them under, the same at each repetition.
    """

    message: Message = field(repr=False)
    findings: tuple[Finding, ...] = ()
    held: bool = False
    template: str = ""
    companions: Mapping[str, Message] = field(default_factory=dict, repr=False)


class Preparing(Protocol):
    """Who makes messages ready (`shared.preparation`)."""

    def faults(self, message: Message) -> list[FieldProblem]:
        """What is plainly wrong with it, found at no cost."""
        ...

    def is_costly(self, message: Message) -> bool:
        """Whether a repeated message should be recognised before it is prepared again."""
        ...

    async def prepare(self, message: Message, message_id: str) -> Prepared:
        """Raises InvalidMessageError, and FileUnavailableError or StorageUnavailableError where a
        later try may succeed. May be repeated under the same id."""
        ...

    async def prepare_batch(
        self, messages: Mapping[int, Message], ids: Mapping[int, str], batch_id: str
    ) -> Mapping[int, Prepared | Sequence[FieldProblem]]:
        """The same for the messages of a batch by index; what they share is done once. In place of
        InvalidMessageError each message has its own problems."""
        ...
