"""Files fetched by https: what is sent and taken, and how much of it."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local.certificates import LocalAuthority
from shared.attachments import Fetcher
from shared.attachments.fetching import FetchRefusedError, described
from shared.attachments.names import safe_name
from shared.errors import FileUnavailableError
from tests.attachments.servers import HOST, PDF, Handler, file_server

if TYPE_CHECKING:
    from aiohttp import web

SECRET = "sig=c2VjcmV0LXNpZ25hdHVyZQ%3D%3D"


async def to_loopback(host: str) -> Sequence[str]:
    return ["127.0.0.1"]


def fetcher(port: int, **changes: object) -> Fetcher:
    return Fetcher(
        [HOST, "other.contoso.test"], resolve=to_loopback, allow_loopback=True, port=port, **changes  # type: ignore[arg-type]
    )  # fmt: skip


def sending(body: bytes, **headers: str) -> Handler:
    async def handle(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        return web.Response(
            body=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    return handle


async def test_a_file_comes_with_its_name_and_type(authority: LocalAuthority) -> None:
    handle = sending(
        PDF,
        Content_Type="application/pdf; charset=binary",
        Content_Disposition="attachment; filename*=UTF-8''R%C3%A9sum%C3%A9.pdf",
        Set_Cookie="a=b",
    )
    async with file_server(authority, handle) as server:
        got = await fetcher(server.port).fetch(
            f"https://{HOST}/blob/x?sv=2024&{SECRET}", limit=1000
        )
    assert (got.content, got.name, got.content_type) == (PDF, "Résumé.pdf", "application/pdf")
    ((path, headers),) = server.requests
    assert path == f"/blob/x?sv=2024&{SECRET}"  # a signature stands or falls with its octets
    assert headers["Host"].partition(":")[0] == HOST
    assert {name.lower() for name in headers} <= {
        "host", "user-agent", "accept-encoding", "accept", "connection",
    }  # fmt: skip


async def test_the_name_is_else_the_paths(authority: LocalAuthority) -> None:
    async with file_server(authority, sending(PDF)) as server:
        got = await fetcher(server.port).fetch(
            f"https://{HOST}/a/Bericht%20M%C3%A4rz.pdf?x=/y", limit=1000
        )
    assert got.name == "Bericht März.pdf"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\Windows\\\\evil.pdf"', "evil.pdf"),
        ("attachment", "file"),
        ('inline; filename="a.pdf"; filename="b.pdf"', "a.pdf"),
        ("attachment; filename*=utf-8''%E2%80%AEfdp.exe", "\u202efdp.exe"),  # made safe later
        ("garbage;;;==", "file"),
    ],
)
def test_a_hostile_disposition_is_only_a_name(disposition: str, name: str) -> None:
    assert described({"Content-Disposition": disposition}, "/x/file")[0] == name


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["attachment", "filename", "filename*", "=", ";", '"', "utf-8''", "%E2", "*0*", "\\",
             "<", "@", "(", ",", "=?utf-8?q?", "?=", "/", "[", " ", "text", "charset"]
        ),
        st.text(max_size=5),
    ),
    max_size=25,
).map("".join)  # fmt: skip


@given(disposition=PIECES, content_type=PIECES, path=PIECES)
@example(disposition="", content_type=";filename*", path="")
def test_any_description_is_read(disposition: str, content_type: str, path: str) -> None:
    name, shown = described(
        {"Content-Disposition": disposition, "Content-Type": content_type}, path
    )
    assert "/" not in name
    assert shown == "" or shown.count("/") == 1
    assert safe_name(name)


@pytest.mark.parametrize("declared", [True, False])
async def test_more_than_the_limit_is_not_read(authority: LocalAuthority, declared: bool) -> None:
    sent = 0

    async def handle(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        nonlocal sent
        response = web.StreamResponse()
        if declared:
            response.content_length = 50_000_000
        await response.prepare(request)
        try:
            for _ in range(800):
                await response.write(b"x" * 65536)
                sent += 65536
        except ConnectionError:
            pass
        return response

    async with file_server(authority, handle) as server:
        with pytest.raises(FetchRefusedError, match="larger than the 100000 bytes"):
            await fetcher(server.port).fetch(f"https://{HOST}/big", limit=100_000)
    assert sent < 40_000_000


async def test_a_slow_server_is_given_up(authority: LocalAuthority) -> None:
    released = asyncio.Event()

    async def handle(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        await released.wait()
        return web.Response()

    async with file_server(authority, handle) as server:
        with pytest.raises(FileUnavailableError, match="in time"):
            await fetcher(server.port, seconds=0.3).fetch(f"https://{HOST}/x?{SECRET}", limit=10)
        released.set()


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, FetchRefusedError), (403, FetchRefusedError), (204, FetchRefusedError),
     (503, FileUnavailableError), (429, FileUnavailableError)],
)  # fmt: skip
async def test_other_answers_than_200(
    authority: LocalAuthority, status: int, error: type[Exception]
) -> None:
    async def handle(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        return web.Response(status=status)

    async with file_server(authority, handle) as server:
        with pytest.raises(error, match=str(status)):
            await fetcher(server.port).fetch(f"https://{HOST}/x", limit=10)


async def test_what_is_compressed_is_refused(authority: LocalAuthority) -> None:
    async with file_server(authority, sending(b"\x1f\x8b", Content_Encoding="gzip")) as server:
        with pytest.raises(FetchRefusedError, match="compressed"):
            await fetcher(server.port).fetch(f"https://{HOST}/x", limit=10)


async def test_a_certificate_of_another_host_is_refused(authority: LocalAuthority) -> None:
    async with file_server(authority, sending(PDF)) as server:
        stranger = Fetcher(
            ["stranger.contoso.test"], resolve=to_loopback, allow_loopback=True, port=server.port
        )
        with pytest.raises(FetchRefusedError, match="certificate"):
            await stranger.fetch("https://stranger.contoso.test/x", limit=1000)
    assert server.requests == []


async def test_redirects_are_followed_a_few_times(authority: LocalAuthority) -> None:
    async def handle(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        hop = int(request.query.get("hop", "0"))
        if hop < int(request.query["to"]):
            host = "other.contoso.test" if hop == 0 else HOST
            place = f"https://{host}/x?to={request.query['to']}&hop={hop + 1}"
            raise web.HTTPFound(place)
        return web.Response(body=PDF)

    async with file_server(authority, handle) as server:
        got = await fetcher(server.port).fetch(f"https://{HOST}/x?to=3", limit=1000)
        assert got.content == PDF
        with pytest.raises(FetchRefusedError, match="redirected"):
            await fetcher(server.port).fetch(f"https://{HOST}/x?to=4", limit=1000)


async def test_the_query_is_told_to_nobody(
    authority: LocalAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def handle(request: "web.Request") -> "web.StreamResponse":
        from aiohttp import web

        raise web.HTTPFound(f"https://elsewhere.test/x?{SECRET}")

    async with file_server(authority, handle) as server:
        with pytest.raises(FetchRefusedError) as raised:
            await fetcher(server.port).fetch(f"https://{HOST}/x?{SECRET}", limit=10)
    with pytest.raises(FileUnavailableError) as away:  # nobody listens there any more
        await fetcher(server.port).fetch(f"https://{HOST}/x?{SECRET}", limit=10)
    told = f"{raised.value} {raised.value!r} {away.value} {away.value!r} {caplog.text}"
    assert SECRET not in told
    assert "c2VjcmV0" not in told
    assert away.value.__cause__ is None
