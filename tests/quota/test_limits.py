"""Limits from the settings."""

import pytest

from shared.errors import SettingsError
from shared.quota.limits import QuotaLimits, tenant_external_limit
from shared.settings import Settings, load_settings

GIVEN = {
    "MAILROOM_SENDERS": '{"a@contoso.com": "b@contoso.com", "*@contoso.net": "b@contoso.com"}',
    "MAILROOM_TENANT_ID": "t",
    "MAILROOM_CLIENT_ID": "c",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


def settings(**more: str) -> Settings:
    return load_settings({**GIVEN, **more})


@pytest.mark.parametrize(("licences", "limit"), [(1, 10_000), (100, 22_059), (1000, 72_446)])
def test_terrl_grows_with_the_licences(licences: int, limit: int) -> None:
    assert tenant_external_limit(licences) == limit


def test_a_fifth_is_left_to_people_unless_told_otherwise() -> None:
    limits = QuotaLimits.of(settings())
    assert (limits.external, limits.external_reserved) == (8_000, 2_000)
    limits = QuotaLimits.of(settings(MAILROOM_TENANT_TRIAL="true", MAILROOM_PEOPLE_SHARE="50"))
    assert (limits.external, limits.external_reserved) == (2_500, 2_500)


def test_a_server_without_the_tenants_limit_has_none() -> None:
    limits = QuotaLimits.of(settings(MAILROOM_LICENCES="0", MAILROOM_MESSAGES_PER_MINUTE="100"))
    assert (limits.external, limits.onmicrosoft, limits.messages_per_minute) == (None, None, 100)


def test_external_is_what_is_outside_of_the_accepted_domains() -> None:
    ours = settings()
    assert [ours.is_external(a) for a in ("a@Contoso.com", "a@contoso.net")] == [False, False]
    assert ours.is_external("a@sub.contoso.com")
    named = settings(MAILROOM_ACCEPTED_DOMAINS='["Fabrikam.com"]')
    assert named.is_external("a@contoso.com")
    assert not named.is_external("a@fabrikam.com")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAILROOM_ACCEPTED_DOMAINS", "contoso.com"),
        ("MAILROOM_ACCEPTED_DOMAINS", '["a@contoso.com"]'),
        ("MAILROOM_TENANT_TRIAL", "yes"),
        ("MAILROOM_PEOPLE_SHARE", "100"),
    ],
)
def test_wrong_values_are_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings(**{name: value})
