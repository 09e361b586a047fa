"""Who decides on language, zone and cadence: the call, the recipient, the digest, the app."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.digests.definition import Definition, Digest
from shared.digests.recipients import Reader, Readers
from shared.digests.window import Window
from shared.preferences import RecipientPreferences
from tests.storage.account import make_settings

SETTINGS = make_settings("UseDevelopmentStorage=true", MAILROOM_TIME_ZONE="Europe/Vienna")
NOW = datetime(2026, 11, 27, tzinfo=UTC)


def wishes(
    cadences: Mapping[str, Any] | None = None, language: str = "", time_zone: str = ""
) -> RecipientPreferences:
    return RecipientPreferences(
        topics={}, all_off=False, paused_until=None, cadences=cadences or {}, language=language,
        time_zone=time_zone,
    )  # fmt: skip


class Known:
    """Preferences of one recipient."""

    def __init__(self, known: RecipientPreferences) -> None:
        self._known = known

    async def get(self, address: str) -> RecipientPreferences:
        assert address == "ana@example.com"
        return self._known


async def find(known: RecipientPreferences, *, zone: str | None = None, **given: str) -> Reader:
    definition = Definition.model_validate(
        {"from": {"email": "a@contoso.test"}, "schedule": {"kind": "window", "minutes": 5},
         "time_zone": zone, "topic": "builds"}
    )  # fmt: skip
    digest = Digest(name="news", uid="u", definition=definition, created_at=NOW, changed_at=NOW)
    window = Window(digest="news", uid="u", email="ana@example.com", **given)  # type: ignore[arg-type]
    return await Readers(SETTINGS, Known(known)).find(digest, window)


@pytest.mark.parametrize(
    ("known", "zone", "given", "expected"),
    [
        (wishes(), None, {}, Reader("en", "Europe/Vienna", "each")),
        (wishes(), "Asia/Tokyo", {}, Reader("en", "Asia/Tokyo", "each")),
        (wishes({"builds": "weekly"}, "de", "Asia/Kathmandu"), "Asia/Tokyo", {},
         Reader("de", "Asia/Kathmandu", "weekly")),
        (wishes({"builds": "weekly"}, "de", "Asia/Kathmandu"), None,
         {"time_zone": "UTC", "language": "fr", "cadence": "daily"}, Reader("fr", "UTC", "daily")),
        (wishes({"builds": "none"}), None, {"cadence": "daily"},
         Reader("en", "Europe/Vienna", "none")),
        (wishes({"others": "none"}), None, {"cadence": "none"},
         Reader("en", "Europe/Vienna", "none")),
    ],
)  # fmt: skip
async def test_who_decides(
    known: RecipientPreferences, zone: str | None, given: dict[str, str], expected: Reader
) -> None:
    assert await find(known, zone=zone, **given) == expected
