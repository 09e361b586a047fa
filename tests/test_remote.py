"""The client of the command lines: how the credential goes, and where it does not."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from shared.errors import NotFoundError
from shared.remote import RemoteApp, RemoteError

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJyb2xlcyI6W119.c2lnbmF0dXJl"
KEY = "k-function-key"


class Server:
    """Answers with `answers`, one after the other, and keeps what came."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[web.Response] = []
        self.seen: list[dict[str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append({name.lower(): value for name, value in request.headers.items()})
        return self.answers.pop(0) if self.answers else web.json_response({"well": True})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.mark.parametrize(
    ("credential", "header", "value"),
    [(KEY, "x-functions-key", KEY), (f" {TOKEN}\n", "authorization", f"Bearer {TOKEN}")],
)
async def test_a_key_and_a_token_go_each_in_its_header(
    server: Server, credential: str, header: str, value: str
) -> None:
    async with RemoteApp(f"{server.url}/api/", credential, author="Ana") as app:
        assert (await app.ask("GET", "quota")).json() == {"well": True}
    [seen] = server.seen
    assert seen[header] == value
    assert seen["x-mailroom-author"] == "Ana"
    assert len({"authorization", "x-functions-key"} & seen.keys()) == 1


@pytest.mark.parametrize("url", ["http://mail.contoso.com", "mail.contoso.com"])
def test_no_credential_goes_over_the_network_in_clear(url: str) -> None:
    with pytest.raises(RemoteError, match="in clear") as refused:
        RemoteApp(url, TOKEN)
    assert TOKEN not in repr(refused.value)
    RemoteApp(url, "")  # nothing to protect


async def test_a_redirect_takes_it_nowhere(server: Server) -> None:
    server.answers.append(web.Response(status=302, headers={"Location": "https://else.test/"}))
    async with RemoteApp(server.url, KEY) as app:
        with pytest.raises(RemoteError, match="302"):
            await app.ask("GET", "quota")
    assert len(server.seen) == 1


async def test_what_is_not_ready_is_asked_again_and_a_refusal_is_not(server: Server) -> None:
    server.answers += [web.Response(status=503), web.Response(status=429)]
    async with RemoteApp(server.url, KEY, tries=3, pause=0.001) as app:
        assert (await app.ask("GET", "quota")).json() == {"well": True}
        server.answers.append(web.Response(status=400))
        with pytest.raises(RemoteError, match="400"):
            await app.ask("GET", "quota")
    assert len(server.seen) == 4


@pytest.mark.parametrize("status", [401, 403])
async def test_who_is_refused_is_told_how_to_get_in(server: Server, status: int) -> None:
    said = {"detail": "The role Mail.Admin is missing.", "fix": "Assign it."}
    server.answers += [web.Response(status=status), web.json_response(said, status=status)]
    async with RemoteApp(server.url, KEY) as app:
        for detail, fix in ((str(status), "az account get-access-token"), ("Admin", "Assign it.")):
            with pytest.raises(RemoteError, match=detail) as refused:
                await app.ask("GET", "quota")
            assert fix in refused.value.fix


@pytest.mark.parametrize(
    "body", [b"", b"[" * 5000, b"\xff", b"[]", b'{"errors": 5}', b'{"errors": [1]}']
)
async def test_no_answer_breaks_it(server: Server, body: bytes) -> None:
    server.answers += [web.Response(status=500, body=body), web.Response(status=404, body=body)]
    async with RemoteApp(server.url, KEY) as app:
        with pytest.raises(RemoteError, match="500"):
            await app.ask("GET", "quota")
        with pytest.raises(NotFoundError):
            await app.ask("GET", "quota")
        server.answers.append(web.Response(body=body))
        assert isinstance((await app.ask("GET", "quota")).json(), dict)
