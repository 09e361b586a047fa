"""What the settings make of the source: its address, its audience, its rights."""

import pytest

from shared.accounts import AccessToken
from shared.inbox.opening import open_source, reading_scope
from shared.settings import Settings
from tests.storage.account import StoppedClock, make_settings


def given(**settings: str) -> Settings:
    return make_settings("UseDevelopmentStorage=true", **settings)


@pytest.mark.parametrize(
    ("settings", "scope"),
    [
        ({"MAILROOM_RETURNED_MAIL": "imap"}, "https://outlook.office365.com/.default"),
        ({"MAILROOM_RETURNED_MAIL": "graph"}, "https://graph.microsoft.com/.default"),
        (
            {
                "MAILROOM_RETURNED_MAIL": "graph",
                "MAILROOM_GRAPH_URL": "https://graph.microsoft.us/",
            },
            "https://graph.microsoft.us/.default",
        ),
        (
            {"MAILROOM_RETURNED_MAIL": "imap", "MAILROOM_RETURNED_SCOPE": "api://x/.default"},
            "api://x/.default",
        ),
    ],
)
async def test_a_token_is_asked_for_one_audience(settings: dict[str, str], scope: str) -> None:
    asked: list[tuple[str, str]] = []

    class Tokens:
        async def token(
            self, scope: str, *, mailbox: str = "", rejected: AccessToken | None = None
        ) -> AccessToken:
            asked.append((scope, mailbox))
            raise LookupError

    loaded = given(**settings)
    assert reading_scope(loaded) == scope
    source = open_source(loaded, Tokens(), clock=StoppedClock())  # type: ignore[arg-type]
    assert source.kind == loaded.returned_mail
    async with source.open("billing@contoso.test") as mailbox:
        steps = mailbox.read("INBOX", None, since=StoppedClock()())
        with pytest.raises(LookupError):
            await anext(steps)
    assert asked == [(scope, "billing@contoso.test")]
