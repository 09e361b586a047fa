"""Server side request forgery: nothing that is not public is ever contacted."""

import asyncio
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.certificates import LocalAuthority
from shared.attachments import Fetcher
from shared.attachments.fetching import FetchRefusedError, resolve_host
from shared.attachments.hosts import is_allowed, is_public
from shared.errors import MailroomError
from tests.attachments.servers import HOST, PDF, file_server, silent_listener

if TYPE_CHECKING:
    from aiohttp import web

PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",
    "169.254.169.254", "168.63.129.16", "100.64.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1",
    "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::127.0.0.1",
    "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1",
    "2002:7f00:1::1", "2002:a9fe:a9fe::", "2001::1", "2001:db8::1", "nonsense", "",
]  # fmt: skip

# Hosts as an attacker writes loopback and metadata addresses.
DISGUISES = [
    "127.0.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1",
    "127.0.1", "0", "0.0.0.0", "localhost", "localhost.", "foo.localhost", "[::1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[fe80::1%25lo]",
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "127.0.0.1.", "①②⑦.⓪.⓪.①",
    "metadata.google.internal",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "20.60.1.1", "2603:1030:10::5", "1.1.1.1"])
def test_what_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", DISGUISES)
async def test_no_disguise_reaches_this_machine(host: str) -> None:
    """Even where the host itself is allowed, and the system's resolver is asked."""
    async with silent_listener() as (port, visits):
        names = [host.strip("[]"), host.strip("[]").rstrip("."), "*.localhost"]
        fetcher = Fetcher(names, resolve=resolve_host, port=port)
        with pytest.raises(MailroomError) as raised:
            await fetcher.fetch(f"https://{host}/latest/meta-data/", limit=1000)
        await asyncio.sleep(0)
    assert visits == []
    assert raised.value.fix


@pytest.mark.parametrize("address", [a for a in PRIVATE if a and a != "nonsense"])
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    async def resolve(host: str) -> Sequence[str]:
        return ["20.60.1.1", address]  # one of two is enough

    async with silent_listener() as (port, visits):
        with pytest.raises(FetchRefusedError, match="no public address"):
            await Fetcher([HOST], resolve=resolve, port=port).fetch(f"https://{HOST}/", limit=1000)
    assert visits == []


@pytest.mark.parametrize(
    "target",
    ["https://127.0.0.1:{port}/", "https://localhost:{port}/", "http://" + HOST + "/",
     "https://169.254.169.254/", "https://2130706433/", "https://[::ffff:7f00:1]/", "//127.1/",
     "https://user:word@" + HOST + "/", "https://" + HOST + ":8443/", "https://inside.test/",
     "file:///etc/passwd", "gopher://127.0.0.1/", "https://" + HOST + "@127.0.0.1/",
     "https://" + HOST + "\\@127.0.0.1/"],
)  # fmt: skip
async def test_no_redirect_leads_inside(authority: LocalAuthority, target: str) -> None:
    async def resolve(host: str) -> Sequence[str]:
        return ["127.0.0.1"] if host == HOST else ["10.0.0.1"]

    async with silent_listener() as (port, visits):

        async def handle(request: "web.Request") -> "web.StreamResponse":
            from aiohttp import web

            return web.Response(status=302, headers={"Location": target.format(port=port)})

        async with file_server(authority, handle) as server:
            fetcher = Fetcher(
                [HOST, "inside.test"], resolve=resolve, allow_loopback=True, port=server.port
            )
            with pytest.raises(FetchRefusedError):
                await fetcher.fetch(f"https://{HOST}/", limit=1000)
    assert visits == []
    assert len(server.requests) == 1


async def test_a_name_that_changes_its_address_is_judged_each_time(
    authority: LocalAuthority,
) -> None:
    """DNS rebinding: judged and connected to is the same answer, and each hop asks anew."""
    asked: list[str] = []

    async def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.168.1.1"]

    async def handle(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        raise web.HTTPFound(f"https://{HOST}/again")

    async with file_server(authority, handle) as server:
        fetcher = Fetcher([HOST], resolve=resolve, allow_loopback=True, port=server.port)
        with pytest.raises(FetchRefusedError, match="no public address"):
            await fetcher.fetch(f"https://{HOST}/", limit=1000)
    assert asked == [HOST, HOST]
    assert len(server.requests) == 1


async def test_between_judging_and_connecting_nothing_is_resolved(
    authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(host: str) -> Sequence[str]:
        return ["127.0.0.1"]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the name is resolved a second time")

    async def handle(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        return web.Response(body=PDF)

    async with file_server(authority, handle) as server:
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        fetcher = Fetcher([HOST], resolve=resolve, allow_loopback=True, port=server.port)
        assert (await fetcher.fetch(f"https://{HOST}/", limit=1000)).content == PDF


def test_the_socket_itself_is_refused() -> None:
    """The last gate, whatever came before it."""
    fetcher = Fetcher(["*.contoso.test"])
    for address in ("127.0.0.1", "169.254.169.254", "10.0.0.1"):
        with pytest.raises(FetchRefusedError):
            fetcher._open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443)))


async def test_no_proxy_and_no_netrc_of_the_environment(
    authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(host: str) -> Sequence[str]:
        return ["127.0.0.1"]

    async def handle(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        return web.Response(body=PDF)

    async with silent_listener() as (port, visits), file_server(authority, handle) as server:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        fetcher = Fetcher([HOST], resolve=resolve, allow_loopback=True, port=server.port)
        assert (await fetcher.fetch(f"https://{HOST}/", limit=1000)).content == PDF
    assert visits == []


async def test_without_allowed_hosts_nothing_is_fetched() -> None:
    with pytest.raises(FetchRefusedError, match="not fetched from") as raised:
        await Fetcher([]).fetch("https://files.contoso.com/x?sig=1", limit=10)
    assert "MAILROOM_ATTACHMENT_HOSTS" in raised.value.fix


def test_which_hosts_are_allowed() -> None:
    allowed = ("files.contoso.com", "*.blob.core.windows.net")
    for host in ("files.contoso.com", "FILES.contoso.com", "a.blob.core.windows.net"):
        assert is_allowed(host, allowed)
    for host in ("contoso.com", "x.files.contoso.com", "blob.core.windows.net",
    "evilfiles.contoso.com",
                 "aXblob.core.windows.net", "files.contoso.com.evil.test", ""):  # fmt: skip
        assert not is_allowed(host, allowed)


@given(st.ip_addresses(v=4))
def test_embedded_addresses_are_never_public(address: object) -> None:
    import ipaddress

    number = int(ipaddress.IPv4Address(str(address)))
    for high, shift in (("64:ff9b::", 0), ("::ffff:0:0", 0), ("::", 0), ("2002::", 80)):
        six = ipaddress.IPv6Address(int(ipaddress.IPv6Address(high)) | number << shift)
        assert not is_public(str(six))
