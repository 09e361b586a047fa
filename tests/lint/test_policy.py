"""What becomes of findings, by the table and by the setting."""

import pytest

from shared.errors import SettingsError
from shared.findings import Finding
from shared.lint import LintPolicy, lint_message, load_rules
from tests.lint.mails import attach, good_receipt, make_message, rules
from tests.storage.account import make_settings

BAD = make_message(
    subject="Hello {{ name }}!!",
    attachments=(attach("setup.exe"),),
    html='<a href="javascript:x">x</a>',
)


def test_the_table_s_actions_hold_by_default() -> None:
    policy = LintPolicy()
    found = lint_message(BAD, policy=policy)
    assert {"placeholder", "subject-punctuation"} <= rules(found)
    assert rules(policy.blocking(found)) == {"attachment-rejected", "link-script"}
    assert policy.verdict(found) == "block"


def test_what_blocks_is_a_fault_of_the_message() -> None:
    policy = LintPolicy.read({"*": "block"})
    problems = policy.problems(lint_message(BAD, policy=policy))
    pointers = {problem.field for problem in problems}
    assert {"/subject", "/html", "/attachments/0/name"} <= pointers
    for problem in problems:
        assert problem.detail.partition(",")[0] in load_rules()
        assert problem.fix
    text = make_message(text="See\nhttp://contoso.com/ or\n{{ name }}")
    found = policy.problems(lint_message(text, policy=policy))
    assert [problem.field for problem in found] == ["/text", "/text"]
    assert LintPolicy.read({"*": "warn"}).problems(lint_message(BAD, policy=policy)) == []


def test_the_setting_changes_them_by_rule() -> None:
    settings = make_settings(
        "UseDevelopmentStorage=true",
        MAILROOM_LINT='{"*": "warn", "placeholder": "block", "subject-punctuation": "off"}',
    )
    policy = LintPolicy.of(settings)
    found = lint_message(BAD, policy=policy)
    assert rules(policy.blocking(found)) == {"placeholder"}
    assert "subject-punctuation" not in rules(found)
    assert "attachment-rejected" in rules(found)


@pytest.mark.parametrize("actions", [{"*": "block"}, {"spam-unchecked": "block"}])
def test_an_outage_of_spamd_never_blocks(actions: dict[str, str]) -> None:
    policy = LintPolicy.read(actions)
    outage = Finding("spam-unchecked", "info", "/", "Gone.", "Look.")
    assert policy.action("spam-unchecked") == "warn"
    assert policy.verdict([outage]) == "warn"
    assert policy.problems([outage]) == []


def test_all_can_be_off() -> None:
    policy = LintPolicy.read({"*": "off"})
    assert lint_message(BAD, policy=policy) == []
    assert policy.verdict([]) == "pass"


def test_one_can_be_on_where_all_are_off() -> None:
    policy = LintPolicy.read({"*": "off", "placeholder": "warn"})
    found = lint_message(BAD, policy=policy)
    assert rules(found) == {"placeholder"}
    assert policy.verdict(found) == "warn"


def test_without_a_setting_nothing_changes() -> None:
    policy = LintPolicy.of(make_settings("UseDevelopmentStorage=true"))
    assert {rule: policy.action(rule) for rule in load_rules()} == {
        rule.id: rule.action for rule in load_rules().values()
    }
    assert lint_message(good_receipt(), policy=policy) == []


@pytest.mark.parametrize("actions", [{"link-htpp": "warn"}, {"link-http": "refuse"}])
def test_a_rule_or_action_that_there_is_not_is_told(actions: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as raised:
        LintPolicy.read(actions)
    assert raised.value.names == ("MAILROOM_LINT",)
    assert next(iter(actions)) in raised.value.detail
    assert "docs/lint.md" in raised.value.fix


def test_rules_are_whole() -> None:
    for rule in load_rules().values():
        assert rule.severity in {"error", "warning", "info"}
        assert rule.action in {"off", "warn", "block"}
        assert rule.action != "block" or rule.severity == "error"
        assert rule.why.endswith(".")
        assert rule.fix.endswith(".")
        assert not rule.title.endswith(".")
        assert rule.source
