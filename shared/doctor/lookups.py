"""Asking name servers, with a bound on time and on the number of questions.

What is answered is somebody else's text: it is cut, and shown without control characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

type RecordType = Literal["TXT", "CNAME", "MX", "A", "AAAA"]

MOST = 80  # questions for one domain: SPF may ask for 10 names, and stops at 20
_PATIENCE = 6.0  # seconds for one question, its repetitions included: the process may be busy
_LONGEST = 65_535  # characters of one record: what a message of DNS can hold
_SHOWN = 160


class LookupTroubleError(Exception):
    """A question without an answer: nobody knows whether the record is there."""

    def __init__(self, name: str, kind: RecordType, trouble: str) -> None:
        super().__init__(f"{kind} of {shown(name)}: {trouble}")


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one type; `exists`: whether the name is there at all."""

    values: tuple[str, ...] = ()
    exists: bool = True


class Lookups:
    """The questions about one domain. servers: (address, port); none: those of the machine."""

    def __init__(self, servers: Sequence[tuple[str, int]] = ()) -> None:
        self._servers = servers
        self._resolver: Resolver | None = None
        self._known: dict[tuple[str, RecordType], Records] = {}
        self.asked = 0

    async def ask(self, name: str, kind: RecordType) -> Records:
        """The records of a name, following CNAMEs but for CNAMEs. TXT strings are joined; an MX is
        `preference host`. Raises LookupTroubleError."""
        key = (name.lower().rstrip("."), kind)
        if key not in self._known:
            if self.asked >= MOST:
                raise LookupTroubleError(name, kind, "too many questions about this domain")
            self.asked += 1
            self._known[key] = await self._ask(name, kind)
        return self._known[key]

    async def _ask(self, name: str, kind: RecordType) -> Records:
        from dns.exception import DNSException, Timeout  # noqa: PLC0415 - 100 ms at import
        from dns.resolver import NXDOMAIN, NoNameservers  # noqa: PLC0415

        try:
            answer = await self._open().resolve(
                name.rstrip(".") + ".", kind, raise_on_no_answer=False, lifetime=_PATIENCE
            )
        except NXDOMAIN:
            return Records(exists=False)
        except Timeout:
            raise LookupTroubleError(name, kind, "no answer in time") from None
        except NoNameservers:
            raise LookupTroubleError(name, kind, "the name servers failed (SERVFAIL)") from None
        except (DNSException, OSError, ValueError) as error:
            raise LookupTroubleError(name, kind, type(error).__name__) from None
        return Records(tuple(_text(record, kind) for record in answer.rrset or ()))

    def _open(self) -> "Resolver":
        if self._resolver is None:
            from dns.asyncresolver import Resolver  # noqa: PLC0415
            from dns.nameserver import Do53Nameserver  # noqa: PLC0415

            self._resolver = Resolver(configure=not self._servers)
            if self._servers:
                self._resolver.nameservers = [Do53Nameserver(*one) for one in self._servers]
        return self._resolver


def shown(text: str) -> str:
    """A text of others, fit for a terminal and a line."""
    clean = "".join(c if c.isprintable() else "�" for c in text[: _SHOWN + 1])
    return clean if len(text) <= _SHOWN else f"{clean[:_SHOWN]}…"


def _text(record: Any, kind: RecordType) -> str:
    if kind == "TXT":
        return b"".join(record.strings).decode("utf-8", "replace")[:_LONGEST]
    if kind == "MX":
        return f"{record.preference} {record.exchange.to_text(omit_final_dot=True)}"
    if kind == "CNAME":
        return str(record.target.to_text(omit_final_dot=True))
    return str(record.to_text())
