"""The file of known dates: what is in it can be relied on, and what could not is refused."""

from pathlib import Path

import pytest

from shared.currency.known_dates import KnownDatesError, load_known_dates
from tests.storage.account import make_settings

GOOD = """
[[date]]
name = "one"
day = 2027-01-01
what = "Something ends."
fix = "Do without."
source = "https://example.com/one"
once_passed = "error"
[date.concerns]
sender_domains = ["onmicrosoft.com"]
smtp_preset = ["hve"]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "dates.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_dates_of_the_file_are_in_order_and_have_sources() -> None:
    known = load_known_dates()
    assert [one.day for one in known] == sorted(one.day for one in known)
    assert {"ews-blocked", "smtp-basic-off-by-default"} <= {one.name for one in known}
    assert all(one.source.startswith("https://") for one in known)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("2027-01-01", '"soon"', "`day` is not a date"),
        ("2027-01-01", "2027-01-01T10:00:00", "`day` is not a date"),
        ('"https://example.com/one"', '"a colleague"', "`source` is not an https address"),
        ('fix = "Do without."', "", "`fix` is not a text"),
        ('"error"', '"panic"', "`once_passed`"),
        ("smtp_preset", "smtp_presets", "no setting `smtp_presets`"),
        ('["hve"]', '"hve"', "`smtp_preset` is not a list"),
        ("[date.concerns]", "more = 1\n[date.concerns]", "other keys"),
        ("[[date]]", "[date", "cannot be read"),
        ("[[date]]", "[[dates]]", "not a list"),
    ],
)
def test_what_the_file_cannot_mean_is_refused(tmp_path: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(KnownDatesError, match=why):
        load_known_dates(write(tmp_path, GOOD.replace(old, new)))


def test_a_name_is_there_once(tmp_path: Path) -> None:
    with pytest.raises(KnownDatesError, match="date 2"):
        load_known_dates(write(tmp_path, GOOD + GOOD))


@pytest.mark.parametrize(
    ("sender", "preset", "concerned"),
    [
        ("a@contoso.onmicrosoft.com", "office365", True),
        ("a@notonmicrosoft.com", "office365", False),
        ("a@contoso.test", "hve", True),
        ("a@contoso.test", "office365", False),
    ],
)
def test_settings_are_concerned_by_any_of_what_is_named(
    tmp_path: Path, sender: str, preset: str, concerned: bool
) -> None:
    (known,) = load_known_dates(write(tmp_path, GOOD))
    settings = make_settings(
        "UseDevelopmentStorage=true",
        MAILROOM_SENDERS=f'["{sender}"]',
        MAILROOM_SMTP_PRESET=preset,
    )
    assert known.is_about(settings) is concerned
