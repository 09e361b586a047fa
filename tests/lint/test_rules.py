"""Each rule finds what it is for, and nothing in what only looks alike."""

from pathlib import Path

import pytest

from shared.findings import Finding
from shared.lint import load_rules
from shared.messages.model import Message
from tests.lint.cases import CASES
from tests.lint.mails import good_newsletter, good_receipt, lint, make_message, rules

# Found by the client of spamd, not in the message alone: test_spamd.py has their cases.
ASKED_ELSEWHERE = {"spam-score", "spam-unchecked"}


def cases(kind: str) -> list[pytest.param]:  # type: ignore[valid-type]
    return [
        pytest.param(rule, message, id=f"{rule}-{index}")
        for rule, both in CASES.items()
        for index, message in enumerate(getattr(both, kind))
    ]


@pytest.mark.parametrize(("rule", "message"), cases("true"))
def test_it_finds(rule: str, message: Message) -> None:
    found = [finding for finding in lint(message) if finding.rule == rule]
    assert found
    for finding in found:
        check_shape(finding)


@pytest.mark.parametrize(("rule", "message"), cases("alike"))
def test_it_lets_look_alikes_be(rule: str, message: Message) -> None:
    assert [finding for finding in lint(message) if finding.rule == rule] == []


def check_shape(finding: Finding) -> None:
    row = load_rules()[finding.rule]
    assert finding.severity == row.severity
    assert finding.where.startswith(("/", "html, line "))
    assert finding.why.endswith(row.why) or "more place" in finding.why
    assert len(finding.why) > len(row.why)  # what was seen, besides the reason
    assert finding.fix
    for text in (finding.where, finding.why, finding.fix):
        assert text.isprintable()
        assert len(text) < 700


@pytest.mark.parametrize("message", [good_receipt(), good_newsletter(), make_message()])
def test_a_good_mail_has_no_finding_at_all(message: Message) -> None:
    assert lint(message) == []


def test_every_rule_has_its_cases() -> None:
    assert set(CASES) | ASKED_ELSEWHERE == set(load_rules())
    for rule, both in CASES.items():
        assert both.true, rule
        assert both.alike, rule


def test_every_rule_is_documented() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "lint.md").read_text(encoding="utf-8")
    for rule in load_rules().values():
        assert f"| [`{rule.id}`](#{rule.id}) | {rule.title} | {rule.severity} | " in docs
        assert f"\n### {rule.id}\n\n{rule.title}. {rule.why}\n" in docs


def test_a_place_is_found_again() -> None:
    html = "<p>Hello</p>\n<p>\n<a href='http://www.contoso.com/reset?token=secret'>Hi</a></p>"
    (found,) = [f for f in lint(make_message(html=html)) if f.rule == "link-http"]
    assert found.where == 'html, line 3: <a href="http://www.contoso.com/…">'


def test_findings_give_no_secrets_away() -> None:
    """Addresses hold tokens, and texts hold what is nobody's business: neither is repeated."""
    secret = "s3cr3t-t0k3n"
    html = (
        f'<p style="color:#ddd">{secret}</p><a href="http://u:{secret}@192.0.2.1/{secret}?{secret}">'
        f'{secret}.com</a><img src="http://a.contoso.com/{secret}"><a href="data:{secret}">x</a>'
        f'<a href="mailto:{secret}@contoso.com"></a><script>{secret}</script><p>{secret * 9}</p>'
    )
    found = lint(make_message(html=html, text=f"http://bit.ly/{secret}?{secret} {{{{ x }}}}"))
    assert {"contrast-low", "link-ip", "link-disguised", "image-http", "placeholder"} <= rules(
        found
    )
    assert secret not in repr(found)


def test_errors_come_first_and_a_rule_does_not_flood() -> None:
    html = '<img src="https://cdn.contoso.com/a.png">\n' * 30 + "<a href='javascript:x'>x</a>"
    found = lint(make_message(html=html))
    severities = [finding.severity for finding in found]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    missing = [finding for finding in found if finding.rule == "image-alt-missing"]
    assert len(missing) == 10
    assert missing[-1].why.endswith("(And 20 more places.)")


def test_one_mistake_in_many_places_is_told_once_for_contrast() -> None:
    found = lint(make_message(html='<p style="color:#aaa">Hello there</p>' * 50))
    assert len([finding for finding in found if finding.rule == "contrast-low"]) == 1
