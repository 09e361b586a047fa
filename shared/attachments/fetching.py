"""Fetches files from allowed hosts, and from nowhere else (OWASP: server side request forgery).

Each name is resolved once, by us: the addresses found are judged, and only those are connected to,
with the name in SNI, Host and certificate check. What is judged last is the very address that the
socket is made for. Redirects are followed by hand, each hop judged like the first.
"""

import asyncio
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urljoin, urlsplit

from shared.attachments.hosts import is_allowed, is_loopback, is_public
from shared.errors import FileUnavailableError, MailroomError
from shared.messages.fields import https_address

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

MAX_HOPS = 3
_CHUNK = 64 * 1024
_EXTENDED_NAME = re.compile(
    r";\s*filename\*\s*=\s*(utf-8|iso-8859-1)'[^';]*'([^;\s]*)", re.IGNORECASE
)
_QUOTED_NAME = re.compile(r';\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_TOKEN_NAME = re.compile(r";\s*filename\s*=\s*([^\s;\"]+)", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"\s*([a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127})\s*(?:;|$)")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_NOW = frozenset({408, 425, 429, 500, 502, 503, 504})


class FetchRefusedError(MailroomError):
    """The file is not fetched, or not as it is; no later try will change that."""


class Resolver(Protocol):
    """Finds a host's addresses, as text. Raises OSError."""

    async def __call__(self, host: str) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file from a server, with what the response says of it: "" for nothing."""

    content: bytes = field(repr=False)
    name: str
    content_type: str


async def resolve_host(host: str) -> Sequence[str]:
    """The addresses of a host by the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Fetcher:
    """Fetches files by https.

    hosts: the allowed ones. seconds: for one file, all hops together. allow_loopback and port: for
    servers on this machine, in tests; no setting leads here.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        seconds: float = 20,
        resolve: Resolver = resolve_host,
        allow_loopback: bool = False,
        port: int = 443,
    ) -> None:
        self._hosts = tuple(hosts)
        self._seconds = seconds
        self._resolve = resolve
        self._allow_loopback = allow_loopback
        self._port = port

    async def fetch(self, url: str, *, limit: int) -> FetchedFile:
        """The file at an https address, of `limit` bytes at most.

        Raises FetchRefusedError, and FileUnavailableError where a later try may succeed. Neither
        names more of the address than its host: a query may hold a key (SAS).
        """
        import aiohttp  # noqa: PLC0415

        host = urlsplit(url).hostname or ""
        timeout = aiohttp.ClientTimeout(total=self._seconds, connect=5, sock_read=10)
        try:
            async with (
                asyncio.timeout(self._seconds),
                aiohttp.ClientSession(
                    connector=self._connector(),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=False,
                    auto_decompress=False,
                    timeout=timeout,
                    headers={"User-Agent": "Mailroom", "Accept-Encoding": "identity"},
                ) as session,
            ):
                return await self._follow(session, url, limit)
        except MailroomError:
            raise
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _away(error, host) from None

    async def _follow(self, session: "aiohttp.ClientSession", url: str, limit: int) -> FetchedFile:
        for _ in range(MAX_HOPS + 1):
            host = self._judge(url)
            target = self._ported(url)
            async with session.get(target, allow_redirects=False) as response:
                if response.status in _REDIRECTS:
                    url = urljoin(url, response.headers.get("Location", ""))
                    continue
                return await _read(response, host, limit, urlsplit(url).path)
        raise FetchRefusedError(
            f"It was redirected more than {MAX_HOPS} times.", fix="Give the file's own address."
        )

    def _judge(self, url: str) -> str:
        """The host, if the address may be asked for at all."""
        try:
            host = urlsplit(https_address(url)).hostname or ""
        except ValueError:
            raise FetchRefusedError(
                "It leads to an address that is not plain https.",
                fix="Give an https:// address without user, password and a port of its own.",
            ) from None
        if not is_allowed(host, self._hosts):
            raise FetchRefusedError(
                f"Files are not fetched from {host[:100]}.",
                fix="Add the host to MAILROOM_ATTACHMENT_HOSTS, or send the file's content.",
            )
        return host

    def _ported(self, url: str) -> Any:
        from yarl import URL  # noqa: PLC0415 (of aiohttp)

        address = URL(url, encoded=True)
        return address if self._port == 443 else address.with_port(self._port)  # noqa: PLR2004

    def _connector(self) -> "aiohttp.TCPConnector":
        import aiohttp  # noqa: PLC0415

        return aiohttp.TCPConnector(
            resolver=_judging_resolver(self._resolve, self._may_contact),
            use_dns_cache=False,
            force_close=True,
            socket_factory=self._open_socket,
        )

    def _may_contact(self, address: str) -> bool:
        return is_public(address) or (self._allow_loopback and is_loopback(address))

    def _open_socket(self, address: Any) -> socket.socket:
        """A socket for the address that is about to be connected to: the last word on it."""
        family, kind, protocol, _, target = address
        if not self._may_contact(str(target[0])):
            raise FetchRefusedError(_PRIVATE, fix=_PRIVATE_FIX)
        return socket.socket(family, kind, protocol)


_PRIVATE = "Its host has no public address."
_PRIVATE_FIX = "Give a host on the public Internet, or send the file's content."


def _judging_resolver(resolve: Resolver, may_contact: Any) -> "AbstractResolver":
    from aiohttp.abc import AbstractResolver  # noqa: PLC0415

    class Judging(AbstractResolver):
        """Of one name: if one address must not be contacted, none of them is."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> "list[ResolveResult]":
            del family
            addresses = await resolve(host)
            if not addresses or not all(map(may_contact, addresses)):
                raise FetchRefusedError(_PRIVATE, fix=_PRIVATE_FIX)
            return [
                {
                    "hostname": host, "host": address, "port": port, "proto": 0,
                    "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                    "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                }
                for address in addresses
            ]  # fmt: skip

        async def close(self) -> None: ...

    return Judging()


async def _read(
    response: "aiohttp.ClientResponse", host: str, limit: int, path: str
) -> FetchedFile:
    if response.status in _FOR_NOW:
        raise FileUnavailableError(
            f"{host} answers {response.status} for a file to be attached.", fix="Try again later."
        )
    if response.status != 200:  # noqa: PLR2004
        raise FetchRefusedError(
            f"{host} answers {response.status}.", fix="Give an address that answers 200."
        )
    if response.headers.get("Content-Encoding", "identity").lower() not in {"", "identity"}:
        raise FetchRefusedError(
            f"{host} sends the file compressed.", fix="Have it send the file as it is."
        )
    content = bytearray()
    if (response.content_length or 0) <= limit:
        async for chunk in response.content.iter_chunked(_CHUNK):
            content += chunk
            if len(content) > limit:
                break
    if len(content) > limit or (response.content_length or 0) > limit:
        raise FetchRefusedError(
            f"It is larger than the {limit} bytes that are left for it.",
            fix='Send a smaller file, or deliver it as a link ("deliver": "link").',
        )
    name, content_type = described(response.headers, path)
    return FetchedFile(bytes(content), name, content_type)


def described(headers: Mapping[str, str], path: str) -> tuple[str, str]:
    """File name and media type as a response's header fields tell, the name else by the path.

    Read by patterns (RFC 6266): the standard library's parser falls over some hostile values.
    """
    disposition = headers.get("Content-Disposition", "")[:2000]
    name = ""
    if extended := _EXTENDED_NAME.search(disposition):
        charset = "latin-1" if extended[1].lower() == "iso-8859-1" else "utf-8"
        name = unquote(extended[2], charset, errors="replace")
    elif quoted := _QUOTED_NAME.search(disposition):
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    elif token := _TOKEN_NAME.search(disposition):
        name = token[1]
    name = name or unquote(path.rpartition("/")[2], errors="replace")
    content_type = _MEDIA_TYPE.match(headers.get("Content-Type", "").lower())
    # Some servers send a path; only its last part is a name.
    return name.replace("\\", "/").rpartition("/")[2][:200], content_type[1] if content_type else ""


def _away(error: Exception, host: str) -> MailroomError:
    """What it means that the connection failed; whatever the error says stays here."""
    import aiohttp  # noqa: PLC0415

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, FetchRefusedError):
            return cause
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return FetchRefusedError(
            f"{host} has no certificate that can be trusted.", fix="Give it a valid certificate."
        )
    if isinstance(error, aiohttp.InvalidURL):
        return FetchRefusedError("Its address cannot be read.", fix="Give a plain https address.")
    return FileUnavailableError(
        f"{host} does not send the file to be attached in time.",
        fix="Try again later, or send the file's content.",
    )
