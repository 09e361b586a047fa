"""The command line: a folder against the API, over HTTP."""

import argparse
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from shared.api.answers import Answer
from shared.api.templates import TemplatesApi
from shared.storage.connection import StorageConnection
from shared.templates.__main__ import main, run
from shared.templates.packaged import PackagedTemplates
from shared.templates.store import TemplateStore
from shared.templates.templates import Templates
from tests.storage.account import SENDER, StoppedClock, make_settings
from tests.templates.sources import column

KEY = "a-function-key"


@pytest.fixture(scope="module")
async def url(
    storage: StorageConnection, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The API behind a server of HTTP that asks for the function key, as the host does."""
    settings = make_settings("UseDevelopmentStorage=true")
    packaged = PackagedTemplates(tmp_path_factory.mktemp("none"))
    store = TemplateStore(storage, packaged=packaged, clock=StoppedClock())
    templates = Templates(settings, versions=store)
    api = TemplatesApi(store=store, templates=templates, sender=SENDER)

    async def handle(request: web.Request) -> web.Response:
        if request.headers.get("x-functions-key") != KEY:
            return web.Response(status=401)
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        name = request.match_info.get("name", "")
        answered: Answer
        match request.method, request.path.rpartition("/")[2]:
            case "GET", "templates":
                answered = await api.get_page(str(request.url))
            case "POST", "publish":
                answered = await api.publish(name, body, headers)
            case "PUT", _:
                answered = await api.put(name, body, headers)
            case _:
                answered = await api.get(name, str(request.url))
        return web.Response(
            status=answered.status, body=answered.body,
            headers={**answered.headers, "Content-Type": answered.content_type},
        )  # fmt: skip

    app = web.Application(client_max_size=4_000_000)
    app.router.add_route("*", "/api/templates", handle)
    app.router.add_route("*", "/api/templates/{name}", handle)
    app.router.add_route("*", "/api/templates/{name}/{what}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()
    await templates.aclose()


def write_template(folder: Path, name: str, greeting: str) -> None:
    (folder / "_partials").mkdir(parents=True, exist_ok=True)
    (folder / "_partials/hello.mjml").write_text(f"<mj-text>{greeting} {{{{ name }}}}</mj-text>\n")
    (folder / name).mkdir(exist_ok=True)
    files = {
        "template.json": json.dumps({"languages": ["en"], "subject": {"en": "Hi"}}),
        "body.mjml": column('{% include "_partials/hello.mjml" %}'),
        "sample.json": '{"name": "Ana"}', "schema.json": '{"type": "object"}',
    }  # fmt: skip
    for file, text in files.items():
        (folder / name / file).write_text(text)


class Command:
    """The command, with what it says."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.said = ""

    async def __call__(self, command: str, folder: Path, **options: object) -> int:
        said: list[str] = []
        chosen = argparse.Namespace(
            **{
                "command": command, "folder": folder, "only": None, "dry_run": False,
                "publish": False, "note": "", "author": "Ana", "url": self._url, "key": KEY,
                **options,
            }
        )  # fmt: skip
        status = await run(chosen, said.append)
        self.said = "\n".join(said)
        return status


@pytest.fixture
def command(url: str) -> Command:
    return Command(url)


async def test_a_folder_goes_there_and_comes_back(command: Command, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_template(ours, "round", "Hello")
    assert await command("push", ours, dry_run=True) == 0
    assert "round: would be put as draft" in command.said
    assert "+<mj-text>Hello {{ name }}</mj-text>" in command.said
    await command("pull", theirs, dry_run=True)
    assert not theirs.exists()
    assert await command("push", ours, publish=True) == 0
    assert "round: published" in command.said
    assert await command("push", ours) == 0
    assert "round: as it is in the app" in command.said
    await command("pull", theirs)
    for file in ("round/body.mjml", "round/template.json", "_partials/hello.mjml"):
        assert (theirs / file).read_text() == (ours / file).read_text()
    write_template(ours, "round", "Good day")
    await command("push", ours)
    assert "-<mj-text>Hello {{ name }}</mj-text>" in command.said
    assert "round: is the draft" in command.said
    await command("pull", theirs)
    assert "Good day" in (theirs / "_partials/hello.mjml").read_text()


async def test_a_faulty_folder_is_not_pushed(command: Command, tmp_path: Path) -> None:
    write_template(tmp_path, "faulty", "Hello {{ nobody }}")
    assert await command("push", tmp_path) == 1
    assert "_partials/hello.mjml:1: data.nobody is missing." in command.said
    write_template(tmp_path, "faulty", "Hello</mj-text><mj-txt>")
    assert await command("check", tmp_path) == 1
    assert "<mj-txt> is not known in MJML. Did you mean <mj-text>?" in command.said


def test_the_command_names_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAILROOM_URL", raising=False)
    assert main(["check", str(tmp_path)]) == 1
    assert "There is no template" in capsys.readouterr().err
    write_template(tmp_path, "good", "Hello")
    assert main(["push", str(tmp_path), "--dry-run"]) == 1
    assert "MAILROOM_URL" in capsys.readouterr().err
    assert main(["push", str(tmp_path), "--dry-run", "--url", "http://127.0.0.1:1"]) == 1
    assert "does not answer" in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--only", "other"]) == 1
    assert "There is no other." in capsys.readouterr().err


async def test_a_wrong_key_is_told(command: Command, tmp_path: Path) -> None:
    write_template(tmp_path, "good", "Hello")
    with pytest.raises(Exception, match=r"401.*function key"):
        await command("push", tmp_path, key="wrong", dry_run=True)
