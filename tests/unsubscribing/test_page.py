"""The preference page and the one click: what changes, what does not, and what is told of it."""

from datetime import timedelta

import pytest

from shared.preferences import PreferenceChange
from shared.unsubscribing.limits import MOST
from tests.unsubscribing.desk import ONE_CLICK, Desk, words

MULTIPART = (
    b'--xYz\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n'
    b"--xYz--\r\n"
)
# Fetchers of links in mail, as they name themselves: some of them are known by a browser's name.
SCANNERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130.0 Safari/537.36 Edg/130.0",
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0; Microsoft Outlook)",
    "GoogleImageProxy", "Mozilla/5.0 (compatible; YahooMailProxy; https://help.yahoo.com)",
    "Barracuda Sentinel (EE)", "Mozilla/5.0 (compatible; ProofpointURLDefense/1.0)",
    "MimecastURLScanner", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "facebookexternalhit/1.1", "TwitterBot/1.0", "curl/8.5.0", "python-requests/2.32",
)  # fmt: skip


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (ONE_CLICK, "application/x-www-form-urlencoded"),
        (ONE_CLICK + b"\r\n", ""),
        (MULTIPART, "multipart/form-data; boundary=xYz"),
        (MULTIPART, 'multipart/form-data; boundary="xYz"'),
    ],
)
async def test_one_click_of_a_mail_provider(desk: Desk, body: bytes, content_type: str) -> None:
    token = await desk.token()
    answer = await desk.call("POST", token, body, content_type)
    assert answer.status == 200
    assert not {"set-cookie", "location"} & {name.lower() for name in answer.headers}
    assert await desk.blocked() == ["news"]
    assert desk.sent.told() == [("unsubscribed", "news")]
    [event] = desk.sent.events
    assert event["data"]["applied"] is True
    assert (event["data"]["recipient"], event["data"]["source"]) == (desk.address, "one-click")


async def test_one_click_twice_is_one_event(desk: Desk) -> None:
    token = await desk.token()
    for _ in range(2):
        assert (await desk.call("POST", token, ONE_CLICK)).status == 200
    assert len({event["id"] for event in desk.sent.events}) == 1
    assert await desk.blocked() == ["news"]


@pytest.mark.parametrize("scanner", SCANNERS)
async def test_scanners_change_nothing(desk: Desk, scanner: str) -> None:
    token = await desk.token()
    for method in ("GET", "HEAD", "GET", "HEAD"):
        answer = await desk.call(
            method, token, user_agent=scanner, purpose="prefetch", sec_purpose="prefetch"
        )
        assert answer.status == 200
        assert bool(answer.body) == (method == "GET")
        assert answer.headers["Cache-Control"] == "no-store"
    assert await desk.blocked() == []
    assert desk.sent.events == []


@pytest.mark.parametrize(
    "body", [b"", b"x=y", b"do=", b"do=delete", b"do=leave&do=save", b"List-Unsubscribe=",
             b"do=pause&days=31", b"do=save&shown=unheard-of", b"do=undo", b"\xff\xfe", b"&" * 3000,
             b"do=save&shown=news&topic=news&cadence-news=hourly", b"do=leave" + b"&x" * 40_000,
             b"do=undo&all=&until=9999-12-31T00:00:00%2B00:00&shown=news"],
)  # fmt: skip
async def test_a_form_of_somebody_elses_changes_nothing(desk: Desk, body: bytes) -> None:
    token = await desk.token()
    assert (await desk.call("POST", token, body)).status == 400
    assert await desk.blocked() == []
    assert await desk.pause() is None
    assert desk.sent.events == []


async def test_a_link_that_is_none_of_ours_has_one_page_whatever_is_wrong(desk: Desk) -> None:
    token = await desk.token()
    foreign = await open_elsewhere(desk)
    pages = {
        (await desk.call(method, wrong, ONE_CLICK)).body
        for wrong in (token[:-1], token + "A", "1" + "A" * 90, "x", foreign, token.swapcase())
        for method in ("GET", "POST")
    }
    [page] = pages
    assert b"This link does not work" in page
    assert (await desk.call("GET", token[:-1])).status == 404
    assert await desk.blocked() == []


async def open_elsewhere(desk: Desk) -> str:
    """A token of another Mailroom."""
    own, desk.keys.keys = desk.keys.keys, ["another key, " * 4]
    token = await desk.token()
    desk.keys.keys = own
    return token


async def test_leaving_a_topic_and_taking_it_back(desk: Desk) -> None:
    token = await desk.token()
    left = await desk.post(token, do="leave")
    assert left.status == 200
    assert "You get no more e-mails about “Product news”." in words(left)
    assert await desk.blocked() == ["news"]
    undone = await desk.undo(token, left)
    assert "Everything is as it was before" in words(undone)
    assert await desk.blocked() == []
    assert desk.sent.told() == [("unsubscribed", "news"), ("subscribed", "news")]
    assert all(event["data"]["applied"] for event in desk.sent.events)


async def test_leaving_all_and_coming_back(desk: Desk) -> None:
    token = await desk.token()
    assert "You get none of these" in words(await desk.post(token, do="leave-all"))
    assert await desk.blocked() == ["news", "offers"]
    page = await desk.call("GET", token)
    assert "Get e-mails again" in words(page)
    assert 'value="leave"' not in page.body.decode()
    await desk.post(token, do="return")
    assert await desk.blocked() == []
    assert desk.sent.told() == [("unsubscribed", ""), ("subscribed", "")]


@pytest.mark.parametrize("days", [30, 90])
async def test_a_pause_ends_by_itself_or_at_once(desk: Desk, days: int) -> None:
    token = await desk.token()
    paused = await desk.post(token, do="pause", days=days)
    end = desk.clock() + timedelta(days=days)
    assert f"paused until {end.day} {end:%B %Y}" in words(paused)
    assert await desk.blocked() == ["news", "offers"]
    desk.clock.advance(days=days - 0.01)
    assert await desk.blocked() == ["news", "offers"]
    desk.clock.advance(days=0.02)
    assert await desk.blocked() == []
    await desk.post(token, do="pause", days=days)
    assert "E-mails to you are paused" in words(await desk.call("GET", token))
    await desk.post(token, do="resume")
    assert await desk.blocked() == []
    assert desk.sent.events == []


async def test_topics_and_how_often(desk: Desk) -> None:
    token = await desk.token()
    fields = {"do": "save", "shown": ["news", "offers"], "topic": ["offers"],
              "cadence-news": "each", "cadence-offers": "weekly"}  # fmt: skip
    saved = await desk.post(token, **fields)
    assert "You get e-mails about 1 topic." in words(saved)
    preferences = await desk.preferences.get(desk.address)
    assert (preferences.topics["news"], preferences.topics["offers"]) == (False, True)
    assert (preferences.cadences["news"], preferences.cadences["offers"]) == ("none", "weekly")
    page = (await desk.call("GET", token)).body.decode()
    assert 'value="offers" checked' in page
    assert 'value="news" checked' not in page
    assert '<option value="weekly" selected>' in page
    await desk.undo(token, saved)
    preferences = await desk.preferences.get(desk.address)
    assert (preferences.topics["news"], preferences.cadences["offers"]) == (True, "each")


async def test_a_topic_for_a_chosen_few_shows_to_them_alone(desk: Desk) -> None:
    token = await desk.token()
    assert "partners" not in words(await desk.call("GET", token))
    await desk.preferences.change(
        desk.address, PreferenceChange(topics={"partners": True}), source="manual"
    )
    token = await desk.token("partners")
    assert "because you have chosen it" in words(await desk.call("GET", token))
    left = await desk.post(token, do="leave")
    assert await desk.blocked("partners") == ["partners"]
    await desk.undo(token, left)
    assert await desk.blocked("partners") == []


async def test_why_they_get_it_is_told_without_the_whole_address(desk: Desk) -> None:
    message_id = "m" * 12
    token = await desk.token(message_id=message_id)
    forgotten = words(await desk.call("GET", token))
    assert desk.address not in forgotten
    assert "a…@example.com" in forgotten
    assert "sent by" not in forgotten
    desk.remember(message_id)
    told = words(await desk.call("GET", token))
    assert "It was sent by hello@contoso.test on 2 November 2026." in told
    assert "because it goes to everybody who has not unsubscribed" in told


@pytest.mark.parametrize(
    ("accepted", "chosen", "title"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "", "Ihre E-Mail-Einstellungen"),
        ("fr", "de", "Vos préférences de messagerie"),
        ("ja", "es", "Sus preferencias de correo"),
        ("", "de-CH", "Ihre E-Mail-Einstellungen"),
        ("", "", "Your e-mail preferences"),
        ("*", "fr-CA", "Vos préférences de messagerie"),
    ],
)
async def test_the_language_is_the_browsers_else_the_recipients(
    desk: Desk, accepted: str, chosen: str, title: str
) -> None:
    await desk.preferences.change(desk.address, PreferenceChange(language=chosen), source="manual")
    page = await desk.call("GET", await desk.token(), accept_language=accepted)
    assert title in words(page)


@pytest.mark.parametrize(
    ("language", "days"),
    [("en", "30 days"), ("de", "30 Tage"), ("fr", "30 jours"), ("es", "30 días")],
)
async def test_numbers_and_days_are_in_that_language(desk: Desk, language: str, days: str) -> None:
    page = await desk.call("GET", await desk.token(), accept_language=language)
    assert days in words(page)


async def test_a_link_changes_so_much_an_hour_and_can_be_looked_at_for_ever(desk: Desk) -> None:
    token, other = await desk.token(), await desk.token()
    for number in range(MOST):
        assert (await desk.post(token, do="pause", days=30)).status == 200, number
    busy = await desk.call("POST", token, ONE_CLICK)
    assert (busy.status, busy.headers["Retry-After"]) == (429, "3600")
    assert await desk.blocked() == ["news", "offers"]
    assert (await desk.call("GET", token)).status == 200
    assert (await desk.call("POST", other, ONE_CLICK)).status == 200
    desk.clock.advance(hours=1)
    assert (await desk.call("POST", token, ONE_CLICK)).status == 200
    desk.clock.advance(days=2)
    assert await desk.limit.forget(desk.clock()) >= 2
    assert await desk.limit.forget(desk.clock()) == 0


async def test_a_request_that_cannot_be_told_of_is_repeated_by_its_sender(desk: Desk) -> None:
    token = await desk.token()
    desk.sent.away = True
    refused = await desk.call("POST", token, ONE_CLICK)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "60")
    assert b"No queue" not in refused.body
    desk.sent.away = False
    assert (await desk.call("POST", token, ONE_CLICK)).status == 200
    assert desk.sent.told() == [("unsubscribed", "news")]


async def test_pages_are_strict(desk: Desk) -> None:
    page = await desk.call("GET", await desk.token())
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert b"<script" not in page.body
