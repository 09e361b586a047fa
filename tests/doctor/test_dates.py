"""What the doctor says of known dates, at different days and with different settings."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from shared.accounts import Accounts, open_accounts
from shared.doctor.dates import check_known_dates
from shared.doctor.finding import Finding, Patient, Severity
from tests.storage.account import connect, make_settings

STORAGE = "UseDevelopmentStorage=true"


@pytest.fixture
async def accounts() -> AsyncIterator[Accounts]:
    accounts = open_accounts(make_settings(STORAGE))
    yield accounts
    await accounts.aclose()


async def examine(accounts: Accounts, day: str, **others: str) -> dict[str, Finding]:
    storage = connect(STORAGE)
    patient = Patient(
        settings=make_settings(STORAGE, **others), accounts=accounts, storage=storage,
        environment={}, clock=lambda: datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC),
    )  # fmt: skip
    try:
        return {finding.subject: finding for finding in await check_known_dates(patient)}
    finally:
        await storage.aclose()


@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("2026-10-01", None),  # 91 days ahead
        ("2026-10-02", "On 2026-12-31, in 90 days:"),
        ("2026-12-30", "On 2026-12-31, in 1 day:"),
        ("2026-12-31", None),  # passed, and of no concern to Mailroom
    ],
)
async def test_a_date_is_told_from_90_days_ahead_until_it_comes(
    accounts: Accounts, day: str, told: str | None
) -> None:
    finding = (await examine(accounts, day)).get("smtp-basic-off-by-default")
    assert (finding is None) == (told is None)
    if finding and told:
        assert finding.detail.startswith(told)
        assert "not concerned" in finding.detail
        assert finding.severity is Severity.NOTE
        assert "4489835" in finding.cause
        assert "OAuth" in finding.fix


@pytest.mark.parametrize(
    ("day", "severity"), [("2026-06-01", Severity.WARNING), ("2026-11-27", Severity.ERROR)]
)
async def test_a_date_that_the_settings_are_concerned_by_warns_and_then_is_an_error(
    accounts: Accounts, day: str, severity: Severity
) -> None:
    sender = '["a@contoso.onmicrosoft.com"]'
    found = await examine(accounts, day, MAILROOM_SENDERS=sender)
    assert found["onmicrosoft-throttling"].severity is severity


async def test_a_rule_that_has_come_is_a_note(accounts: Accounts) -> None:
    found = await examine(accounts, "2026-11-27")
    assert found["outlook-com-bulk-senders"].severity is Severity.NOTE
    assert "ews-blocked" not in found  # Mailroom uses none


async def test_where_nothing_is_near_the_finding_is_that(accounts: Accounts) -> None:
    found = await examine(accounts, "2030-01-01", MAILROOM_SMTP_PRESET="hve")
    assert [finding.severity for finding in found.values()] == [Severity.OK]
