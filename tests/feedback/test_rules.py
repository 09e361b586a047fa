"""The rules as a table: every reason has its place, in settings, words and effects."""

from typing import get_args

import pytest

from shared.events import RejectReason
from shared.feedback.rules import DEFAULT_EFFECTS, REASONS, FeedbackRules, Verdict
from shared.returned import reject_reason
from shared.returned.report import Reason
from shared.setting_values import BOUNCE_REASONS
from shared.settings import Settings
from tests.storage.account import make_settings

REASON_NAMES = get_args(Reason)


def settings(**others: str) -> Settings:
    return make_settings("UseDevelopmentStorage=true", **others)


def test_every_reason_is_known_everywhere() -> None:
    for names in (DEFAULT_EFFECTS, REASONS, BOUNCE_REASONS):
        assert set(names) == set(REASON_NAMES)
    assert {reject_reason(reason) for reason in REASON_NAMES} <= set(get_args(RejectReason))


@pytest.mark.parametrize("reason", REASON_NAMES)
def test_what_is_dead_is_suppressed_and_what_is_doubtful_is_not(reason: Reason) -> None:
    rules = FeedbackRules.of(settings())
    dead = Verdict(reason=reason, hard=True, permanent=True)
    assert rules.effect(dead) == "suppress"
    soft = Verdict(reason=reason, hard=False, permanent=True)
    assert rules.effect(soft) == DEFAULT_EFFECTS[reason]
    transient = Verdict(reason=reason, hard=False, permanent=False)
    assert rules.effect(transient) == ("lease" if reason == "expired" else "count")
    given_up = Verdict(reason=reason, hard=False, permanent=False, given_up=True)
    assert rules.effect(given_up) == DEFAULT_EFFECTS[reason]
    for match in ("unsigned", "guess", "none"):
        assert rules.effect(Verdict(reason=reason, hard=True, permanent=True, match=match)) == (
            "count"
        )


def test_a_rule_of_ones_own_wins() -> None:
    rules = FeedbackRules.of(settings(MAILROOM_BOUNCE_RULES='{"user-unknown": "count"}'))
    assert rules.effect(Verdict(reason="user-unknown", hard=True, permanent=True)) == "count"
    assert rules.effect(Verdict(reason="moved", hard=True, permanent=True)) == "suppress"


def test_how_sure_is_sure_enough_is_a_setting() -> None:
    trusted = {
        least: FeedbackRules.of(settings(MAILROOM_TRUSTED_MATCH=least)).trusted
        for least in ("signed", "unsigned", "guess")
    }
    assert trusted["signed"] == {"signed", "message-id"}
    assert trusted["unsigned"] == trusted["signed"] | {"unsigned"}
    assert trusted["guess"] == trusted["unsigned"] | {"guess"}
