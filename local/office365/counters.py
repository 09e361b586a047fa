"""What the server counted: for tests and benchmarks."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Counters:
    """Totals since the start or the last `clear()`.

    `concurrent_max`: most authenticated sessions at once, by mailbox. `over_limit`: submissions
    beyond a limit, by its name in Limits. `auth_refusals`: by reason. `flights`: replies written
    in one go, so the round trips that clients waited for.
    """

    connections: int = 0
    tls_handshakes: int = 0
    auths: int = 0
    auth_refusals: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    recipients: int = 0
    octets: int = 0
    refused_messages: Counter[str] = field(default_factory=Counter)
    refused_recipients: int = 0
    delayed: int = 0
    faults: int = 0
    flights: int = 0
    over_limit: Counter[str] = field(default_factory=Counter)
    concurrent_max: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """Set everything back to nothing."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Counter):
                value.clear()
            else:
                setattr(self, one.name, 0)

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object with a member for each count."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: dict(value) if isinstance(value, Counter) else value
            for name, value in values.items()
        }
