"""/api/templates: put, publish, roll back, compare and preview; faults with their places."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from shared.api.answers import Answer
from shared.api.templates import TemplatesApi
from shared.messages.model import Message
from shared.storage.connection import StorageConnection
from shared.templates.packaged import PackagedTemplates
from shared.templates.store import TemplateStore
from shared.templates.templates import Templates
from tests.api.conftest import check_problem, value_of
from tests.storage.account import SENDER, StoppedClock, make_settings
from tests.templates.sources import column, make_bundle, text

URL = "https://mail.test/api/templates"
JSON = {"content-type": "application/json", "x-mailroom-author": "Ana"}


async def lint(message: Message) -> Sequence[dict[str, str]]:
    """Finds shouting, and tells what else it was shown."""
    assert message.sender.email == SENDER
    assert message.html
    assert message.text
    return [{"rule": "capitals", "where": "subject"}] if message.subject.isupper() else []


@pytest.fixture(scope="module")
async def api(storage: StorageConnection) -> AsyncIterator[TemplatesApi]:
    settings = make_settings("UseDevelopmentStorage=true", MAILROOM_LANGUAGE="de")
    store = TemplateStore(storage, packaged=PackagedTemplates(), clock=StoppedClock())
    templates = Templates(settings, versions=store)
    yield TemplatesApi(store=store, templates=templates, sender=SENDER, lint=lint)
    await templates.aclose()


def body(content: str = "Hello {{ name }}", **options: Any) -> bytes:
    bundle = make_bundle(text(content), **{"sample": {"name": "Ana"}, **options})
    return json.dumps({"files": dict(bundle.files), "note": "a note"}).encode()


async def put(api: TemplatesApi, name: str, raw: bytes, **headers: str) -> Answer:
    return await api.put(name, raw, JSON | headers)


async def test_a_template_from_draft_to_published_and_back(api: TemplatesApi) -> None:
    answer = await put(api, "way", body("One"))
    assert answer.status == 201
    made = value_of(answer)
    assert (made["draft"], made["published"]) == ("1", "")
    assert made["log"][0] | {"at": ""} == {"at": "", "who": "Ana", "what": "put", "version": "1"}
    bodiless = JSON | {"content-type": "application/octet-stream"}
    assert (await api.publish("way", b"", bodiless)).status == 200
    check_problem(await api.publish("way", b"{}", bodiless), 415)
    answer = await put(api, "way", body("Two"), **{"if-match": (await _etag(api, "way"))})
    assert answer.status == 200
    found = value_of(await api.diff("way", f"{URL}/way/diff"))
    assert (found["from"], found["to"]) == ("1", "2")
    (file,) = found["files"]
    assert (file["file"], file["change"]) == ("body.mjml", "changed")
    assert "-<mj-text>One</mj-text>" in file["diff"]
    assert "+<mj-text>Two</mj-text>" in file["diff"]
    assert value_of(await api.publish("way", b"{}", JSON))["published"] == "2"
    back = value_of(await api.roll_back("way", b"", JSON))
    assert (back["published"], back["previous"]) == ("1", "2")
    again = value_of(await api.publish("way", b'{"version": "2"}', JSON))
    assert again["published"] == "2"
    versions = value_of(await api.versions("way", f"{URL}/way/versions?limit=1"))
    assert [v["version"] for v in versions["versions"]] == ["2"]
    older = value_of(await api.versions("way", f"{URL}/way/versions?cursor={versions['cursor']}"))
    assert [(v["version"], v["note"]) for v in older["versions"]] == [("1", "a note")]


async def _etag(api: TemplatesApi, name: str) -> str:
    answer = await api.get(name, f"{URL}/{name}")
    assert answer.status == 200
    return answer.headers["ETag"]


async def test_files_come_back_as_they_were_put(api: TemplatesApi) -> None:
    raw = body("Für Ana 🙂", texts={"en": {"a": "ä"}})
    await put(api, "files", raw)
    found = value_of(await api.get("files", f"{URL}/files?version=1"))
    assert found["files"] == json.loads(raw)["files"]
    assert (found["version"], found["created_by"]) == ("1", "Ana")
    check_problem(await api.get("files", f"{URL}/files?version=7"), 404)


async def test_a_template_is_not_overwritten_by_accident(api: TemplatesApi) -> None:
    await put(api, "guarded", body("One"))
    old = await _etag(api, "guarded")
    await put(api, "guarded", body("Two"))
    check_problem(await put(api, "guarded", body("Three"), **{"if-match": old}), 412)
    check_problem(await put(api, "guarded", body("Three"), **{"if-none-match": "*"}), 412)
    check_problem(await api.publish("guarded", b"", JSON | {"if-match": old}), 412)
    check_problem(await api.delete("guarded", JSON | {"if-match": old}), 412)
    assert value_of(await api.get("guarded", URL))["draft"] == "2"


async def test_each_fault_is_told_with_file_line_and_fix(api: TemplatesApi) -> None:
    bundle = make_bundle(
        "<mjml>\n<mj-body>\n<mj-section><mj-column>\n"
        '{% include "_partials/button.mjml" %}\n<mj-txt>a</mj-txt>\n'
        '<mj-text colour="red">b</mj-text>\n<mj-image src="https://c.test/i.png" />\n'
        "<mj-text>{{ nmae }}</mj-text>\n</mj-column></mj-section></mj-body></mjml>",
        files={"_partials/button.mjml": '\n<mj-button herf="https://c.test">Go</mj-button>\n'},
    )
    raw = json.dumps({"files": dict(bundle.files)}).encode()
    document = check_problem(await put(api, "faulty", raw), 422)
    told = {(e["pointer"], e["detail"], e["fix"]) for e in document["errors"]}
    assert told == {
        ("/files/_partials~1button.mjml",
         "_partials/button.mjml:2: <mj-button> has no attribute herf.", "Did you mean href?"),
        ("/files/body.mjml", "body.mjml:5: <mj-txt> is not known in MJML.",
         "Did you mean <mj-text>?"),
        ("/files/body.mjml", "body.mjml:6: <mj-text> has no attribute colour.",
         "Did you mean color?"),
        ("/files/body.mjml", "body.mjml:7: <mj-image> has no alt.",
         'Say what the image shows: alt="…"; alt="" for one that only decorates.'),
        ("/files/body.mjml", "body.mjml:8: data.nmae is missing.",
         'Send it, or give the template a default: {{ x | default("") }}.'),
    }  # fmt: skip
    check_problem(await api.get("faulty", URL), 404)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"{", 400),
        (b"{}", 422),
        (b'{"files": {}}', 422),
        (b'{"files": {"../x": "y"}}', 422),
        (b'{"files": {"body.mjml": 1}}', 422),
        (b'{"files": {"body.mjml": "x"}, "more": 1}', 422),
        (json.dumps({"files": {"body.mjml": "x" * 1_100_000}}).encode(), 422),
        (b'"' + b"x" * 2_200_000 + b'"', 413),
    ],
)
async def test_what_is_no_template_is_refused(api: TemplatesApi, raw: bytes, status: int) -> None:
    check_problem(await put(api, "refused", raw), status)
    check_problem(await api.get("refused", URL), 404)


async def test_names_are_checked(api: TemplatesApi) -> None:
    for name in ("a b", "..", "x" * 101, "ä"):
        check_problem(await put(api, name, body()), 422)


async def test_a_preview_is_what_a_recipient_gets(api: TemplatesApi) -> None:
    await put(api, "shown", body(subject="HELLO {{ name | upper }}"))
    shown = value_of(await api.preview("shown", b"", JSON))
    assert shown["subject"] == "HELLO ANA"
    assert "Hello Ana" in shown["html"]
    assert shown["text"] == "Hello Ana\n"
    assert (shown["version"], shown["language"]) == ("1", "en")
    assert shown["html_bytes"] == len(shown["html"].encode())
    assert shown["findings"] == [{"rule": "capitals", "where": "subject"}]
    asked = {"data": {"name": "Ben"}, "language": "de-AT", "time_zone": "Europe/Vienna"}
    shown = value_of(await api.preview("shown", json.dumps(asked).encode(), JSON))
    assert "Hello Ben" in shown["text"]


async def test_sources_are_previewed_before_they_are_saved(api: TemplatesApi) -> None:
    files = json.loads(body("Unsaved {{ name }}"))["files"]
    shown = value_of(await api.preview("new", json.dumps({"files": files}).encode(), JSON))
    assert (shown["version"], shown["text"]) == ("unsaved", "Unsaved Ana\n")
    files["body.mjml"] = column("<mj-text>{{ name </mj-text>")
    answer = await api.preview("new", json.dumps({"files": files}).encode(), JSON)
    document = check_problem(answer, 422)
    assert document["detail"].startswith("body.mjml:2: ")


async def test_data_that_does_not_fit_is_told_by_pointer(api: TemplatesApi) -> None:
    schema = {
        "type": "object", "required": ["items"], "additionalProperties": False,
        "properties": {"items": {"items": {"properties": {"price": {"type": "number"}},
                                           "required": ["price"]}}},
    }  # fmt: skip
    sample = {"items": [{"price": 1}]}
    content = "{% for i in data['items'] %}{{ i.price }}{% endfor %}"
    await put(api, "fitting", body(content, schema=schema, sample=sample))
    asked = {"data": {"items": [{"price": 1}, {}, {"price": "x"}], "a/b": 1}}
    answer = await api.preview("fitting", json.dumps(asked).encode(), JSON)
    document = check_problem(answer, 422)
    assert {e["pointer"] for e in document["errors"]} == {"", "/items/1/price", "/items/2/price"}


async def test_a_missing_value_is_told_by_pointer(api: TemplatesApi) -> None:
    content = "{% for i in things %}{{ i.price }}{% endfor %}"
    await put(api, "lacking", body(content, sample={"things": [{"price": 1}]}))
    asked = json.dumps({"data": {"things": [{"price": 1}, {"a/b": 1}]}}).encode()
    document = check_problem(await api.preview("lacking", asked, JSON), 422)
    assert document["detail"] == "body.mjml:2: data.things[1].price is missing."
    assert [e["pointer"] for e in document["errors"]] == ["/things/1/price"]


@pytest.mark.parametrize(
    "asked", [{"language": "German!"}, {"time_zone": "Mars/Olympus"}, {"data": []}, {"x": 1}]
)
async def test_a_preview_that_makes_no_sense_is_refused(api: TemplatesApi, asked: Any) -> None:
    await put(api, "asked", body())
    check_problem(await api.preview("asked", json.dumps(asked).encode(), JSON), 422)


async def test_a_deleted_template_is_gone(api: TemplatesApi) -> None:
    await put(api, "gone", body())
    assert (await api.delete("gone", JSON)).status == 204
    for answer in (
        await api.get("gone", URL), await api.delete("gone", JSON),
        await api.publish("gone", b"", JSON), await api.preview("gone", b"", JSON),
    ):  # fmt: skip
        check_problem(answer, 404)


async def test_the_list_has_pages(api: TemplatesApi) -> None:
    for name in ("list-a", "list-b"):
        await put(api, name, body())
    names: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = value_of(await api.get_page(f"{URL}?limit=1&cursor={cursor}"))
        names += [template["name"] for template in page["templates"]]
        cursor = page["cursor"]
    assert {"list-a", "list-b", "plain"} <= set(names)
    check_problem(await api.get_page(f"{URL}?limit=0"), 400)
