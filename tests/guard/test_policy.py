"""The setting MAILROOM_GUARD: read, refused with what is expected, and who it applies to."""

import json
from typing import Any

import pytest

from shared.guard.policy import GuardPolicy, PolicyError, read_policy
from shared.guard.rules import RULES


def policy(**value: Any) -> GuardPolicy:
    return read_policy(json.dumps(value))


def action(of: GuardPolicy, rule: str, sender: str = "app@contoso.com", category: str = "") -> str:
    return of.action(rule, sender=sender, category=category or "transactional")


def test_a_rule_goes_before_its_group_and_that_before_all() -> None:
    chosen = policy(actions={"*": "warn", "tokens": "block", "jwt": "allow"})
    assert action(chosen, "jwt") == "allow"
    assert action(chosen, "access-token") == "block"
    assert action(chosen, "iban") == "warn"
    for rule in RULES:
        assert action(GuardPolicy(), rule.name) == rule.default


def test_exceptions_are_by_sender_and_category_and_the_last_wins() -> None:
    chosen = policy(
        actions={"iban": "block"},
        exceptions=[
            {"sender": "*@contoso.com", "actions": {"iban": "hold", "password": "warn"}},
            {"sender": "Billing@contoso.com", "actions": {"iban": "allow"}},
            {"category": "bulk", "actions": {"*": "block"}},
        ],
    )
    assert action(chosen, "iban", "x@fabrikam.com") == "block"
    assert action(chosen, "iban", "x@contoso.com") == "hold"
    assert action(chosen, "iban", "BILLING@contoso.com") == "allow"
    assert action(chosen, "password", "billing@contoso.com") == "warn"
    assert action(chosen, "link-token", "billing@contoso.com", "bulk") == "block"
    assert action(chosen, "password", "x@sub.contoso.com") == "hold"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on", "`off`"), ("[]", "`off`"), ("{", "`off`"), ("[" * 100_000, "`off`"),
        ('{"action": {}}', "action"), ('{"actions": []}', "`off`"),
        ('{"actions": {"cards": "hold"}}', "payment-card"),
        ('{"actions": {"iban": "delete"}}', "redact"), ('{"actions": {"iban": null}}', "redact"),
        ('{"exceptions": {}}', "`off`"), ('{"exceptions": [5]}', "`off`"),
        ('{"exceptions": [{"from": "a@x"}]}', "from"), ('{"exceptions": [{"sender": 5}]}', "`off`"),
        ('{"exceptions": [{"sender": "contoso.com"}]}', "*@domain"),
        ('{"exceptions": [{"category": "both"}]}', "`off`"), ('{"national_ids": "de"}', "`off`"),
        ('{"national_ids": ["xx"]}', "pl"), ('{"exempt": [5]}', "`off`"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused_with_what_is_expected(text: str, expected: str) -> None:
    with pytest.raises(PolicyError) as raised:
        read_policy(text)
    assert expected in str(raised.value)


def test_exempt_values_are_compared_without_blanks_and_not_shown() -> None:
    chosen = policy(exempt=["de89 3704-0044.0532 0130 00"])
    assert chosen.exempt == {"DE89370400440532013000"}
    assert "0532" not in repr(chosen)
