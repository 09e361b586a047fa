"""A name server for the stack's own domains; it knows no others, and asks nobody.

Messages are read and written by dnspython, over UDP and TCP (RFC 1035, RFC 7766).
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dns import flags, message, name, opcode, rcode, rdatatype, rrset
from dns.exception import DNSException

TTL = 60
_UDP_SIZE = 1232

# By name and type, as a zone file writes them: `{("contoso.test", "MX"): ["0 mail.test."]}`.
type Zone = dict[tuple[str, str], list[str]]


class NameServer:
    """Answers from `zone`, which may be changed at any time.

    `failing` names are answered with SERVFAIL, to `silent` ones nothing is said.
    """

    def __init__(self, zone: Mapping[tuple[str, str], Sequence[str]]) -> None:
        self.zone: Zone = {key: list(values) for key, values in zone.items()}
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.port = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """`ip:port`, for MAILROOM_NAME_SERVERS."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=("127.0.0.1", self.port)
        )

    async def stop(self) -> None:
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()

    def answer(self, wire: bytes, *, most: int = 65535) -> bytes | None:
        """The reply to one message; None where nothing is said."""
        try:
            query = message.from_wire(wire)
            question = query.question[0]
        except (DNSException, IndexError):
            return None
        asked = question.name.to_text(omit_final_dot=True).lower()
        kind = rdatatype.to_text(question.rdtype)
        self.asked.append((asked, kind))
        if asked in self.silent or query.opcode() != opcode.QUERY:
            return None
        reply = message.make_response(query)
        reply.flags |= flags.AA | flags.RA
        if asked in self.failing:
            reply.set_rcode(rcode.SERVFAIL)
        else:
            self._fill(reply, asked, kind)
        wire = reply.to_wire()
        if len(wire) > most:
            reply = message.make_response(query)
            reply.flags |= flags.AA | flags.TC
            wire = reply.to_wire()
        return wire

    def _fill(self, reply: message.Message, asked: str, kind: str) -> None:
        for _ in range(8):  # CNAMEs of CNAMEs
            found = self.zone.get((asked, kind), [])
            alias = self.zone.get((asked, "CNAME"), [])
            for values, written in ((found, kind), ([] if found else alias, "CNAME")):
                if values:
                    owner = name.from_text(asked)
                    reply.answer.append(rrset.from_text(owner, TTL, "IN", written, *values))
            if found or not alias:
                break
            asked = alias[0].rstrip(".").lower()
        if not any(known == asked or known.endswith(f".{asked}") for known, _ in self.zone):
            reply.set_rcode(rcode.NXDOMAIN)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                reply = self.answer(await reader.readexactly(size))
                if reply is None:
                    break
                writer.write(len(reply).to_bytes(2) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        reply = self._server.answer(data, most=_UDP_SIZE)
        if reply is not None:
            self._transport.sendto(reply, addr)


def quoted(text: str) -> str:
    """A TXT record's text as strings of 255 octets at most."""
    escaped = [text[at : at + 250].replace("\\", "\\\\").replace('"', '\\"')
               for at in range(0, len(text) or 1, 250)]  # fmt: skip
    return " ".join(f'"{part}"' for part in escaped)


def sending_domain(domain: str, *, tenant: str = "contoso") -> Zone:
    """The records of a domain that is set up well for sending with Office 365."""
    dashed = domain.replace(".", "-")
    zone: Zone = {
        (domain, "MX"): [f"0 {dashed}.mail.protection.outlook.com."],
        (domain, "TXT"): [quoted("v=spf1 include:spf.protection.outlook.com -all")],
        (f"_dmarc.{domain}", "TXT"): [quoted(f"v=DMARC1; p=reject; rua=mailto:dmarc@{domain}")],
        ("spf.protection.outlook.com", "TXT"): [
            quoted("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all")
        ],
    }
    for selector in ("selector1", "selector2"):
        target = f"{selector}-{dashed}._domainkey.{tenant}.onmicrosoft.com"
        zone[f"{selector}._domainkey.{domain}", "CNAME"] = [f"{target}."]
        zone[target, "TXT"] = [quoted(f"v=DKIM1; k=rsa; p={public_key()}")]
    return zone


@cache
def public_key(bits: int = 2048) -> str:
    """A new RSA key's public part, base64; the same each time."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    return base64.b64encode(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()
