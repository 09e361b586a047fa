"""The page of templates in Chromium, with the whole stack behind it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Page, expect

from local.stack import LocalStack
from shared.templates.packaged import PackagedTemplates
from tests.browser.chromium import DESKTOP, PHONE, axe
from tests.browser.conftest import OpenPage

ADDRESS = "ana@contoso.test"

INSIDE = """frame => {
    const inside = frame.contentDocument;
    const card = inside.querySelector('.card');
    const ground = card ? getComputedStyle(card).backgroundColor : '';
    return {
        width: frame.contentWindow.innerWidth,
        overflow: inside.documentElement.scrollWidth - frame.contentWindow.innerWidth,
        text: inside.body.innerText,
        brightness: Number(ground.match(/\\d+/)?.[0]),
    };
}"""


class Desk:
    """The page as somebody who knows the key has opened it."""

    def __init__(self, page: Page, stack: LocalStack) -> None:
        self.page, self.stack = page, stack
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda line: self.errors.append(line.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    async def open(self, template: str = "") -> None:
        await self.page.goto(f"{self.stack.url}/pages/templates#{template}")
        await self.page.get_by_label("Key").fill(self.stack.host.function_key)
        await self.page.get_by_label("Your name").fill("Dana Weiss")
        await self.page.get_by_role("button", name="Open").click()
        await expect(self.page.get_by_role("heading", level=2)).to_be_visible()
        await expect(self.page.locator("#measure")).to_contain_text("KB")

    async def inside(self) -> dict[str, Any]:
        """What the mail in its frame looks like."""
        found: dict[str, Any] = await self.page.locator("#frame").evaluate(INSIDE)
        return found

    async def tab(self, name: str) -> None:
        await self.page.get_by_role("tab", name=name).click()

    async def fill(self, data: Any) -> None:
        text = data if isinstance(data, str) else json.dumps(data, indent=2)
        await self.page.get_by_label("JSON").fill(text)


@pytest.fixture
async def desk(open_page: OpenPage, stack: LocalStack) -> AsyncIterator[Desk]:
    async with open_page(width=1400, height=1000) as page:
        desk = Desk(page, stack)
        yield desk
        assert desk.errors == []
        assert {url for url in desk.requests if not url.startswith(stack.url)} == set()


async def call(stack: LocalStack, method: str, path: str, body: object = None) -> Any:
    async with (
        aiohttp.ClientSession(headers=stack.headers) as http,
        http.request(method, f"{stack.url}/{path}", json=body) as response,
    ):
        assert response.ok, await response.text()
        return await response.json()


async def put(stack: LocalStack, name: str, **changes: str) -> None:
    """A draft that is the stock's notice, but for some files."""
    files = {**PackagedTemplates().bundles["notice"].files, **changes}
    await call(stack, "PUT", f"templates/{name}", {"files": files, "note": "a change"})


def notice(text: str, **more: Any) -> dict[str, Any]:
    return {"title": "A notice", "paragraphs": [text], **more}


async def test_without_the_key_there_is_nothing_to_see(
    open_page: OpenPage, stack: LocalStack
) -> None:
    async with open_page() as page:
        await page.goto(f"{stack.url}/pages/templates")
        await page.get_by_label("Key").fill("not the key")
        await page.get_by_role("button", name="Open").click()
        await expect(page.get_by_role("alert")).to_have_text("The key is not accepted.")
        assert await page.locator("#list li").count() == 0
        assert await axe(page) == []


async def test_a_token_is_sent_as_one(open_page: OpenPage, stack: LocalStack) -> None:
    """Where callers are known by Entra ID; here the host knows keys, and refuses it."""
    token = "eyJhbGciOiJSUzI1NiJ9.eyJyb2xlcyI6W119.c2lnbmF0dXJl"
    async with open_page(width=1400, height=1000) as page:
        sent: list[dict[str, str]] = []
        page.on("request", lambda request: sent.append(request.headers))
        await page.goto(f"{stack.url}/pages/templates")
        await page.get_by_label("Key").fill(token)
        await page.get_by_role("button", name="Open").click()
        await expect(page.get_by_role("alert")).not_to_be_empty()
    assert f"Bearer {token}" in {headers.get("authorization") for headers in sent}
    assert not any("x-functions-key" in headers for headers in sent)


async def test_the_key_is_asked_for_once_and_can_be_forgotten(desk: Desk) -> None:
    await desk.open()
    names = await desk.page.locator("#list button").all_inner_texts()
    assert {name.split("\n")[0] for name in names} >= set(PackagedTemplates().bundles)
    await desk.page.reload()
    await expect(desk.page.locator("#list button").first).to_be_visible()
    assert desk.stack.host.function_key not in await desk.page.content()
    await desk.page.get_by_role("button", name="Forget the key").click()
    await desk.page.reload()
    await expect(desk.page.get_by_label("Key")).to_be_visible()


async def test_the_preview_has_both_widths_and_both_schemes(desk: Desk) -> None:
    await desk.open("receipt")
    for width, label in ((PHONE, "Phone"), (DESKTOP, "Desktop")):
        for scheme in ("Light", "Dark"):
            await desk.page.get_by_label(label).check()
            await desk.page.get_by_label(scheme).check()
            seen = await desk.inside()
            assert seen["width"] == width
            assert seen["overflow"] <= 0
            assert "Office chair Harbour" in seen["text"]
            assert seen["brightness"] < 60 if scheme == "Dark" else seen["brightness"] > 235


async def test_the_preview_follows_data_language_and_zone(desk: Desk) -> None:
    await desk.open("alert")
    sample = json.loads(PackagedTemplates().bundles["alert"].files["sample.json"])
    await desk.fill({**sample, "title": "The lift stands still"})
    await expect(desk.page.locator("#subject")).to_have_text("Critical: The lift stands still")
    await desk.page.get_by_label("Language").select_option("de")
    await desk.page.get_by_label("Time zone").fill("Europe/Vienna")
    await desk.page.get_by_role("button", name="Show").click()
    await expect(desk.page.locator("#subject")).to_have_text("Kritisch: The lift stands still")
    await desk.tab("Plain text")
    await expect(desk.page.locator("#view-text")).to_contain_text(
        "27. November 2026, 09:12 GMT+01:00"
    )
    await desk.tab("HTML source")
    await expect(desk.page.locator("#view-source")).to_contain_text("<html lang")
    await desk.tab("Files")
    await desk.page.get_by_label("File", exact=True).select_option("body.mjml")
    await expect(desk.page.locator("#file-text")).to_contain_text("{% block content %}")


async def test_faults_of_the_data_are_told_at_their_place(desk: Desk) -> None:
    await desk.open("receipt")
    sample = json.loads(PackagedTemplates().bundles["receipt"].files["sample.json"])
    sample["rows"][1]["amount"] = "much"
    await desk.fill(sample)
    fault = desk.page.locator("#problems button")
    await expect(fault).to_contain_text("/rows/1/amount")
    line = json.dumps(sample, indent=2).split("\n").index('      "amount": "much"') + 1
    await expect(fault).to_contain_text(f"Line {line}, ")
    await fault.click()
    chosen = "t => t.value.slice(t.selectionStart, t.selectionEnd)"
    assert await desk.page.get_by_label("JSON").evaluate(chosen) == '"much"'
    await desk.fill('{"status": ')
    await expect(fault).to_contain_text("It is no JSON")
    await desk.page.get_by_role("button", name="Sample of the template").click()
    await expect(fault).to_have_count(0)
    # The console tells of the refused request; nothing else went wrong.
    assert all("422" in error for error in desk.errors)
    desk.errors.clear()


async def test_what_lint_finds_is_shown(desk: Desk) -> None:
    await desk.open("notice")
    await desk.tab("Findings")
    await expect(desk.page.get_by_role("tab", name="Findings (0)")).to_be_visible()
    await desk.fill(notice("Look.", action={"label": "Look", "url": "http://10.1.2.3/x"}))
    await expect(desk.page.locator("#view-findings")).to_contain_text("link-ip")
    await expect(desk.page.locator("#view-findings")).to_contain_text("link-http")


async def test_hostile_data_stays_text(desk: Desk) -> None:
    await desk.open("notice")
    evil = "<img src=x onerror=parent.hit=1><script>parent.hit=1</script>"
    await desk.fill({"title": evil, "paragraphs": [evil]})
    await expect(desk.page.locator("#subject")).to_have_text(evil)
    assert evil in (await desk.inside())["text"]
    assert await desk.page.evaluate("window.hit") is None


async def test_scripts_of_a_template_do_not_run(desk: Desk, stack: LocalStack) -> None:
    body = (
        "<html><body><p>Here</p><script>parent.hit = 1</script>"
        "<img src='x' alt='' onerror='parent.hit = 1'>"
        "<a href='https://contoso.com/'>go</a></body></html>"
    )
    files = {
        "template.json": json.dumps({"languages": ["en"], "subject": {"en": "Evil"}}),
        "body.html": body, "sample.json": "{}", "schema.json": "{}", "texts.json": '{"en": {}}',
    }  # fmt: skip
    await call(stack, "PUT", "templates/evil", {"files": files})
    await desk.open("evil")
    assert "Here" in (await desk.inside())["text"]
    assert await desk.page.evaluate("window.hit") is None
    assert desk.errors  # Chromium tells what it has blocked
    desk.errors.clear()


async def test_versions_are_compared_published_and_taken_back(
    desk: Desk, stack: LocalStack
) -> None:
    await put(stack, "moving")
    await call(stack, "POST", "templates/moving/publish", {})
    texts = PackagedTemplates().bundles["notice"].files["texts.json"]
    await put(stack, "moving", **{"texts.json": texts.replace("Hello …,", "Dear …,")})
    await desk.open("moving")
    await expect(desk.page.get_by_label("Version")).to_have_value("2")
    assert "Dear Ana," in (await desk.inside())["text"]
    await desk.tab("Changes")
    await expect(desk.page.locator("#diff .removed").filter(has_text="Hello …,")).to_be_visible()
    await expect(desk.page.locator("#diff .added").filter(has_text="Dear …,")).to_be_visible()
    await desk.page.get_by_role("button", name="Publish", exact=True).click()
    await expect(desk.page.locator("#status")).to_have_text("Published: version 2.")
    assert (await call(stack, "GET", "templates/moving"))["published"] == "2"
    await desk.page.get_by_role("button", name="Roll back").click()
    await expect(desk.page.locator("#status")).to_contain_text("published is version 1.")
    state = await call(stack, "GET", "templates/moving")
    assert state["published"] == "1"
    assert {change["who"] for change in state["log"][:2]} == {"Dana Weiss"}
    await expect(desk.page.locator("#log li").first).to_contain_text("Dana Weiss")


async def test_a_change_of_somebody_else_is_not_overwritten(desk: Desk, stack: LocalStack) -> None:
    await put(stack, "shared-work")
    await desk.open("shared-work")
    await put(stack, "shared-work", **{"sample.json": json.dumps(notice("Another."))})
    await desk.page.get_by_role("button", name="Publish", exact=True).click()
    await expect(desk.page.locator("#status")).not_to_be_empty()
    state = await call(stack, "GET", "templates/shared-work")
    assert (state["draft"], state["published"]) == ("2", "")
    assert all("412" in error for error in desk.errors)
    desk.errors.clear()


async def test_a_draft_is_sent_as_it_is_shown(desk: Desk, stack: LocalStack) -> None:
    await put(stack, "drafted")
    await desk.open("drafted")
    await desk.fill(notice("Only in the draft."))
    await send(desk, "draft@contoso.test")
    kept = await stack.office365.wait_for(lambda mail: "draft@contoso.test" in str(mail.recipients))
    assert b"Only in the draft." in kept.content


async def test_the_published_version_is_sent_by_its_name(desk: Desk, stack: LocalStack) -> None:
    await desk.open("notice")
    await desk.fill(notice("By its template."))
    await expect(desk.page.locator("#subject")).to_have_text("A notice")
    await send(desk, ADDRESS)
    kept = await stack.office365.wait_for(lambda mail: ADDRESS in str(mail.recipients))
    assert b"By its template." in kept.content


async def send(desk: Desk, address: str) -> None:
    await expect(desk.page.locator("#subject")).to_have_text("A notice")
    await desk.page.get_by_label("My address").fill(address)
    await desk.page.get_by_role("button", name="Send", exact=True).click()
    await expect(desk.page.locator("#sent")).to_contain_text("Accepted as ")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_is_for_everybody(
    open_page: OpenPage, stack: LocalStack, width: int, scheme: str
) -> None:
    async with open_page(width=width, scheme=scheme) as page:
        desk = Desk(page, stack)
        await desk.open("digest")
        for tab in ("Mail", "Plain text", "HTML source", "Findings", "Files", "Changes"):
            await desk.tab(tab)
            assert await axe(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert desk.errors == []


async def test_the_keyboard_is_enough(desk: Desk) -> None:
    await desk.open("notice")
    await desk.page.get_by_role("tab", name="Mail").focus()
    await desk.page.keyboard.press("ArrowRight")
    await expect(desk.page.get_by_role("tab", name="Plain text")).to_be_focused()
    await expect(desk.page.locator("#view-text")).to_be_visible()
    await desk.page.keyboard.press("End")
    await expect(desk.page.get_by_role("tab", name="Changes")).to_be_focused()
    await desk.page.locator("#list button").filter(has_text="alert").focus()
    await desk.page.keyboard.press("Enter")
    await expect(desk.page.get_by_role("heading", name="alert", level=2)).to_be_focused()


async def test_the_page_is_static_and_its_policy_strict(stack: LocalStack) -> None:
    async with aiohttp.ClientSession() as http:
        for name in ("templates", "templates.js", "templates.css", "frame"):
            async with http.get(f"{stack.url}/pages/{name}") as response:
                assert response.status == 200
                policy = response.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none';")
                assert "unsafe-eval" not in policy
                assert ("unsafe-inline" in policy) == (name == "frame")
        for name in ("..%2Fpages.py", "templates.html", "nothing"):
            async with http.get(f"{stack.url}/pages/{name}") as response:
                assert response.status == 404
