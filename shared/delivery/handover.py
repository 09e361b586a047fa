"""How handing over one mail ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.delivery.replies import Reply

Stage = Literal["connect", "starttls", "auth", "mail", "rcpt", "data", "end-of-data"]


@dataclass(frozen=True, slots=True)
class Handover:
    """How handing over one mail ended.

    refused: the replies to the RCPTs that were refused. reply: the reply that decided for all other
    recipients, None if the connection broke first. accepted: whether the server has taken the
    mail for them; None if that cannot be known (all of the content had been written, and no reply
    came, or replies came that contradict each other).
    """

    accepted: bool | None
    stage: Stage
    reply: Reply | None = None
    refused: Mapping[str, Reply] = field(default_factory=dict)
    detail: str = ""
