"""What of unsubscribing stands in a mail: header fields, the visible link, the answers to it."""

import pytest

from shared.messages.model import Message
from shared.unsubscribing import Tokens, UnsubscribeLinks, with_unsubscribe_footer
from shared.unsubscribing.replies import asks_to_stop
from tests.composing.reading import make
from tests.links.keys import FixedKeys
from tests.storage.account import make_settings

PUBLIC = "https://mail.contoso.test"
URL = f"{PUBLIC}/api/unsubscribe/1abc"
NEWS = {"category": "bulk", "topic": "product-news"}


def links(*keys: str, **settings: str) -> UnsubscribeLinks:
    chosen = {"MAILROOM_PUBLIC_URL": PUBLIC, **settings}
    return UnsubscribeLinks(make_settings("UseDevelopmentStorage=true", **chosen), FixedKeys(*keys))


async def headers(made: UnsubscribeLinks, topic: str = "product-news",
                  sender: str = "billing@contoso.test") -> dict[str, str]:  # fmt: skip
    return await made.headers(
        message_id="m1", sender=sender, recipient="ana@example.com", topic=topic
    )


async def test_the_header_fields() -> None:
    made = links("k" * 40)
    fields = await headers(made)
    url = await made.url("m1", "ana@example.com", "product-news")
    token = url.rpartition("/")[2]
    assert url == f"{PUBLIC}/api/unsubscribe/{token}"
    assert fields == {
        "List-Id": "<product-news.contoso.test>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Unsubscribe": f"<{url}>, "
        f"<mailto:billing+unsubscribe@contoso.test?subject=unsubscribe%20{token}>",
    }
    found = await Tokens(FixedKeys("k" * 40)).read(token)
    assert found is not None
    assert (found.address, found.topic, found.message_id) == (
        "ana@example.com", "product-news", "m1",
    )  # fmt: skip


@pytest.mark.parametrize("made", [links("k" * 40, MAILROOM_PUBLIC_URL=""), links()])
async def test_without_an_address_or_a_key_a_mail_is_the_only_way(made: UnsubscribeLinks) -> None:
    fields = await headers(made)
    assert set(fields) == {"List-Id", "List-Unsubscribe"}
    assert fields["List-Unsubscribe"].startswith("<mailto:")
    assert await made.url("m1", "ana@example.com", "product-news") == ""


@pytest.mark.parametrize(
    ("senders", "settings", "expected"),
    [
        ('["billing@contoso.test"]', {"MAILROOM_PLUS_ADDRESSES": "false"}, "billing"),
        ('{"billing@contoso.test": ["a@contoso.test"]}', {}, "a+unsubscribe"),
        (f'{{"billing@contoso.test": ["{"x" * 60}@contoso.test"]}}', {}, "x" * 60),
        ('{"billing@contoso.test": ["a@contoso.test", "b@contoso.test"]}',
         {"MAILROOM_RETURNED_MAILBOXES": '["b@contoso.test"]'}, "b+unsubscribe"),
    ],
)  # fmt: skip
async def test_requests_go_to_a_mailbox_that_is_read(
    senders: str, settings: dict[str, str], expected: str
) -> None:
    fields = await headers(links("k" * 40, MAILROOM_SENDERS=senders, **settings))
    assert f"<mailto:{expected}@contoso.test?" in fields["List-Unsubscribe"]


async def test_a_list_id_is_of_dot_atoms_whatever_the_topic() -> None:
    assert (await headers(links(), "a..b."))["List-Id"] == "<a.b.contoso.test>"


def test_the_footer_comes_where_the_link_is_missing() -> None:
    message = make(text="Hello\n", html="<html><body><p>Hello</p></body></html>", **NEWS)
    footed = with_unsubscribe_footer(message, URL, "de-AT")
    assert footed.text == f"Hello\n\n-- \nAbmelden oder auswählen, was Sie erhalten:\n{URL}\n"
    assert footed.html is not None
    assert footed.html.startswith('<html><body><p>Hello</p><div lang="de"')
    assert footed.html.endswith("</a></div></body></html>")
    assert f'href="{URL}"' in footed.html
    assert with_unsubscribe_footer(footed, URL, "de") is footed
    assert with_unsubscribe_footer(message, URL, "ja").text == (
        f"Hello\n\n-- \nUnsubscribe or choose what you get:\n{URL}\n"
    )


def test_the_footer_goes_into_that_body_only_which_needs_it() -> None:
    message = make(text=f"Leave: {URL}\n", html=f"<p>Hi</p><!-- {URL} -->", **NEWS)
    footed = with_unsubscribe_footer(message, URL, "fr")
    assert footed.text == message.text
    assert footed.html is not None
    assert "Se désabonner" in footed.html
    alone = with_unsubscribe_footer(make(text="Hi", html=None, **NEWS), URL, "en")
    assert alone.html is None


def test_no_footer_where_nobody_can_unsubscribe() -> None:
    plain = make(text="Hi")
    assert with_unsubscribe_footer(plain, URL, "en") is plain
    news = make(text="Hi", **NEWS)
    assert with_unsubscribe_footer(news, "", "en") is news
    asking = make(text="Hi", unsubscribe=True, topic="tips")
    assert URL in (with_unsubscribe_footer(asking, URL, "en").text or "")


def test_a_message_that_asks_for_it_needs_a_topic_and_one_recipient() -> None:
    assert make(unsubscribe=True, topic="tips").listed
    assert not make(topic="tips").listed
    with pytest.raises(ValueError, match="needs a topic"):
        make(unsubscribe=True)
    with pytest.raises(ValueError, match="just one recipient"):
        make(unsubscribe=True, topic="tips", cc=[{"email": "b@example.com"}])
    assert isinstance(make(), Message)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Re: Offers", "STOP"),
        ("Re: Offers", "\n  Stop!\n\n> Dear Ana\n> stop by our shop"),
        ("Re: Offers", "unsubscribe\n\nAna\n\nOn Monday Contoso wrote:\n> Hello"),
        ("AW: Angebote", "Bitte abmelden."),
        ("RE: Offres", "Désabonnez-moi"),
        ("RE: Offres", "De\u0301sabonnement"),
        ("RV: Ofertas", "Darme de baja, "),
        ("Re: unsubscribe", "Sent from my phone"),
        ("Re: AW: Abmelden", ""),
    ],
)
def test_answers_that_ask_for_no_more(subject: str, text: str) -> None:
    assert asks_to_stop(subject, text)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Re: Offers", "Please do not stop sending these!"),
        ("Re: Offers", "When does the stop sale end?"),
        ("Re: Offers", "Thanks!\nSTOP"),
        ("Re: Offers", "> STOP"),
        ("Bus stop", "Where is it?"),
        ("Re: How to unsubscribe customers", "Hello, we have a question."),
        ("", ""),
        ("Re: Offers", "stop " * 40),
    ],
)
def test_answers_that_do_not(subject: str, text: str) -> None:
    assert not asks_to_stop(subject, text)
