"""The command: files of any size on their way to the app and back, broken off and begun again."""

import asyncio
import csv
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from shared.api.suppressions import SuppressionsApi
from shared.remote import RemoteError
from shared.suppression import Suppressions
from shared.suppression.remote import RemoteSuppressions
from shared.suppression.transfer import LINES, export_file, import_file
from tests.storage.account import StoppedClock, connect, running_azurite

KEY = "function-key"


@dataclass
class App:
    """The API behind HTTP. failing: answers that are 503 before it works; refusing: the request
    from which on it is broken; sizes: of the bodies that came."""

    suppressions: Suppressions
    url: str = ""
    failing: int = 0
    refusing: int = 10**6
    sizes: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[App]:
    async with running_azurite() as azurite:
        storage = connect(azurite.connection_string)
        suppressions = Suppressions(storage)
        api = SuppressionsApi(suppressions, clock=StoppedClock())
        app = App(suppressions)

        async def handle(request: web.Request) -> web.Response:
            if request.headers.get("x-functions-key") != KEY:
                return web.Response(status=401)
            if app.failing:
                app.failing -= 1
                return web.Response(status=503)
            if len(app.sizes) >= app.refusing:
                return web.Response(status=400)
            body = await request.read()
            app.sizes.append(len(body))
            headers = {name.lower(): value for name, value in request.headers.items()}
            if request.method == "POST":
                answer = await api.take(body, headers)
            else:
                answer = await api.export(request.query)
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

        server = web.Application(client_max_size=8 * 1024 * 1024)
        server.router.add_route("*", "/api/suppressions/{what}", handle)
        runner = web.AppRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        app.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield app
        await runner.cleanup()
        await storage.aclose()


@pytest.fixture
def app(served: App) -> App:
    served.failing, served.refusing = 0, 10**6
    served.sizes.clear()
    return served


def remote(app: App, key: str = KEY) -> RemoteSuppressions:
    return RemoteSuppressions(app.url, key, author="Ana", pause=0.001)


def write(path: Path, count: int, *, bad: int = 0) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write("address,reason,detail\r\n")
        for number in range(count):
            address = "bad" if bad and number % bad == bad - 1 else f"r{number}@{path.stem}.example"
            out.write(f'{address},bounced,"550, {number}"\r\n')


async def test_a_file_is_sent_in_parts_and_what_is_refused_is_written(
    app: App, tmp_path: Path
) -> None:
    path = tmp_path / "parts.csv"
    write(path, 2 * LINES + 10, bad=4000)
    said: list[str] = []
    app.failing = 2
    async with remote(app) as there:
        progress = await import_file(path, there, said.append)
    assert (progress.stored, progress.refused) == (2 * LINES + 8, 2)
    assert len(app.sizes) == len(said) == 3
    assert said[-1].startswith("100%")
    with (tmp_path / "parts.csv.refused.csv").open(encoding="utf-8", newline="") as report:
        refused = list(csv.DictReader(report))
    assert [row["line"] for row in refused] == ["4001", "8001"]
    assert {row["address"] for row in refused} == {"bad"}
    assert all("e-mail address" in row["why"] for row in refused)
    assert not (tmp_path / "parts.csv.state").exists()
    assert await app.suppressions.find("r7@parts.example")


async def test_what_was_broken_off_goes_on_where_it_was(app: App, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    write(path, 3 * LINES, bad=2500)
    app.refusing = 2
    said: list[str] = []
    async with remote(app) as there:
        with pytest.raises(RemoteError):
            await import_file(path, there, said.append)
        app.refusing = 10**6
        with (tmp_path / "broken.csv.refused.csv").open("ab") as report:
            report.write(b"half a li")
        progress = await import_file(path, there, said.append)
    assert len(app.sizes) == 3
    assert f"going on behind line {2 * LINES + 1}" in said
    assert (progress.stored, progress.unchanged, progress.refused) == (3 * LINES - 6, 0, 6)
    with (tmp_path / "broken.csv.refused.csv").open(encoding="utf-8", newline="") as rows:
        lines = [int(row["line"]) for row in csv.DictReader(rows)]
    assert lines == [2500 * n + 1 for n in range(1, 7)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
async def test_encodings_of_spreadsheets(app: App, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / f"{encoding}.csv"
    path.write_bytes(f"E-Mail;note\r\nx@{encoding}.example;Grüße\r\n".encode(encoding))
    async with remote(app) as there:
        name = "utf-8" if encoding == "utf-8-sig" else encoding
        progress = await import_file(path, there, lambda _: None, encoding=name)
    assert (progress.stored, progress.refused) == (1, 0)
    [found] = await app.suppressions.find(f"x@{encoding}.example")
    assert found.detail == "Grüße"


async def test_huge_lines_and_foreign_octets_are_refused_alone(app: App, tmp_path: Path) -> None:
    path = tmp_path / "hostile.csv"
    lines = [b"address", b"a" * 3_000_000, b"\xff@hostile.example", b"ok@hostile.example"]
    path.write_bytes(b"\n".join(lines))
    async with remote(app) as there:
        progress = await import_file(path, there, lambda _: None)
    assert (progress.stored, progress.refused) == (1, 2)
    assert max(app.sizes) < 20_000


async def test_an_export_goes_on_where_it_was(app: App, tmp_path: Path) -> None:
    path = tmp_path / "source.csv"
    write(path, 4500)
    out = tmp_path / "out.csv"
    async with remote(app) as there:
        await import_file(path, there, lambda _: None)
        app.refusing = len(app.sizes) + 1
        with pytest.raises(RemoteError):
            await export_file(out, there, lambda _: None)
        assert not out.exists()
        app.refusing = 10**6
        await export_file(out, there, lambda _: None)
    with out.open(encoding="utf-8", newline="") as lines:
        addresses = [row["address"] for row in csv.DictReader(lines)]
    ours = [address for address in addresses if address.endswith("@source.example")]
    assert sorted(ours) == sorted(f"r{number}@source.example" for number in range(4500))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.csv", "source.csv"]


async def test_a_wrong_key_is_told(app: App, tmp_path: Path) -> None:
    path = tmp_path / "key.csv"
    write(path, 1)
    async with remote(app, key="wrong") as there:
        with pytest.raises(RemoteError, match="function key"):
            await import_file(path, there, lambda _: None)


async def test_the_command_itself(app: App, tmp_path: Path) -> None:
    path = tmp_path / "command.csv"
    write(path, 3, bad=3)
    process = await asyncio.create_subprocess_exec(
        ".venv/bin/python", "-m", "shared.suppression", "import", str(path), "--url", app.url,
        "--key", KEY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 1
    assert b"2 stored, 0 known already, 1 refused" in out
    assert b"100%" in err
