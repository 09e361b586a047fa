"""What a topic's settings have to say about whom it is sent to."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TopicPolicy:
    """exempt: its transactional mail goes to somebody who complained, too. opt_in: its bulk mail
    goes only to those who have chosen it."""

    exempt: bool = False
    opt_in: bool = False


class TopicPolicies(Protocol):
    """Knows all topics; asked for each message, so it must not read storage each time."""

    async def policy(self, topic: str) -> TopicPolicy: ...
