"""Verdicts: where is searched, what becomes of the message, what is told of it."""

import dataclasses
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.guard.inspection import Memory, inspect, redacted, refusals
from shared.guard.policy import GuardPolicy
from shared.guard.rules import ACTIONS, RULES, Action
from shared.messages.parsing import message_json, parse_message
from tests.guard import values as v
from tests.guard.inspecting import EVERYTHING, file, findings, message, rules, verdict
from tests.messages.drafts import steady

CARD = "4111 1111 1111 1111"
REDACT = GuardPolicy(actions={"*": "redact"})


@pytest.mark.parametrize(
    ("where", "changes"),
    [
        ("/subject", {"subject": f"Card {CARD}"}),
        ("/text", {"text": f"Card {CARD}"}),
        ("/text, line 3", {"text": f"Hello\n\nCard {CARD}"}),
        ("/html", {"html": f"<p>Card {CARD}</p>"}),
        ("/html", {"html": "<p>Card 4<b>11&#49;</b>&nbsp;1111<i> 1111</i> 1111</p>"}),
        ("/html", {"html": f"<div hidden style='font-size:0'>{CARD}</div>"}),
        ("/html, comment or script", {"html": f"<p>x</p><!-- card {CARD} -->"}),
        ("/html, comment or script", {"html": f"<script>card = '{CARD}'</script>"}),
        ("/html, comment or script", {"html": f"<style>/* card {CARD} */</style>"}),
        ("/html, comment or script", {"html": f"<!doctype {CARD}>"}),
        ("/html, attribute", {"html": f"<p title='card &#52;{CARD[1:]}'>x</p>"}),
        ("/html, attribute", {"html": f'<input value="card {CARD}">'}),
        ("/html, attribute", {"html": "<p card4111=no 4111111111111111>x</p>"}),
        ("/html, link", {"html": "<a href='https://x.test/?card=4111%2D1111-1111-1111'>x</a>"}),
        ("/html, link", {"html": "<a href=https://x.test/?card=411111%31111111111>x</a>"}),
        ("/headers, /tags or names", {"headers": {"X-Card": CARD}}),
        ("/headers, /tags or names", {"tags": {"card": CARD}}),
        ("/attachments/0/name", {"attachments": (file(f"card_{CARD}.pdf", b"%PDF"),)}),
        ("/attachments/0", {"attachments": (file("a.txt", f"card {CARD}".encode()),)}),
        ("/attachments/0", {"attachments": (file("a.log", f"card {CARD}".encode("utf-16")),)}),
        ("/attachments/0", {"attachments": (file("a", f"card {CARD} é".encode("latin-1")),)}),
        ("/attachments/0", {"attachments": (file("a", f"card {CARD}".encode("utf-16-le")),)}),
        (
            "/attachments/1",
            {"attachments": (file("a.txt", b"x"), file("b.html", f"card <b>{CARD}</b>".encode()))},
        ),
    ],
)
def test_every_place_is_searched(where: str, changes: dict[str, Any]) -> None:
    (finding,) = findings(**changes)
    assert (finding.rule, finding.where) == ("payment-card", where)
    assert finding.masked == "Visa: ****1111"


def test_a_table_s_columns_say_what_numbers_are() -> None:
    card = CARD.replace(" ", "")
    rows = "\n".join(f"7,{card},2026-11-27" for _ in range(3))
    cards = file("a.csv", f"n,card number,date\n{rows}".encode(), "text/csv")
    orders = file("a.csv", f"n,order number,date\n{rows}".encode(), "text/csv")
    assert set(rules(attachments=(cards,))) == {"payment-card"}
    assert rules(attachments=(orders,)) == []


@pytest.mark.parametrize(
    "attachment",
    [
        file("a.png", b"\x89PNG card 4111 1111 1111 1111", "image/png"),
        file("a.pdf", b"%PDF-1.7 card 4111 1111 1111 1111", "application/pdf"),
        file("a.bin", b"\x00\x01\x02\x00" * 40 + b"card 4111 1111 1111 1111"),
        file("a.txt", b""),
    ],
)
def test_binary_files_are_left_alone(attachment: Any) -> None:
    assert rules(attachments=(attachment,)) == []


def test_what_is_sent_by_secure_link_is_searched_by_name_alone() -> None:
    linked = file("a.txt", f"card {CARD}".encode()).model_copy(update={"deliver": "link"})
    assert rules(attachments=(linked,)) == []
    named = linked.model_copy(update={"name": f"card_{CARD}.txt"})
    assert rules(attachments=(named,)) == ["payment-card"]


def test_images_in_html_are_left_alone() -> None:
    data = v.key_bytes(Random(1), 3000)
    assert rules(html=f"<img src='data:image/png;base64,card 4111 1111 1111 1111{data}'>") == []


def test_what_is_too_long_is_searched_in_part_and_told() -> None:
    text = f"Card {CARD}\n" + "Hello there. " * 100_000
    found = verdict(GuardPolicy(), text=text)
    assert {finding.rule for finding in found.findings} == {"payment-card", "not-inspected"}
    large = file("a.log", b"hello there\n" * 400_000)
    quiet = verdict(GuardPolicy(), attachments=(large,))
    assert (quiet.action, [f.where for f in quiet.findings]) == ("warn", ["/attachments/0"])


# What becomes of the message


def test_without_a_setting_each_rule_does_what_its_table_says() -> None:
    assert verdict(GuardPolicy(), text=f"Card {CARD}").action == "hold"
    assert verdict(GuardPolicy(), text="Password: hunter2x!").action == "hold"
    assert verdict(GuardPolicy(), text="IBAN DE89 3704 0044 0532 0130 00").action == "warn"
    assert verdict(GuardPolicy(), text="SSN 123-45-6788").action == "allow"
    token = v.jwt(Random(2))
    link = verdict(GuardPolicy(), text=f"Sign in: https://x.test/?t={token}")
    assert (link.action, link.findings) == ("allow", ())
    assert verdict(GuardPolicy(), text="Your sign-in code is 482913.").action == "allow"


def test_the_guard_can_be_switched_off() -> None:
    assert verdict(GuardPolicy(enabled=False), text=f"Card {CARD}").findings == ()


def test_the_strictest_action_decides() -> None:
    policy = GuardPolicy(actions={"payment-card": "block", "iban": "warn", "password": "allow"})
    text = f"IBAN DE89 3704 0044 0532 0130 00, card {CARD}, password: hunter2x!"
    found = verdict(policy, text=text)
    assert found.action == "block"
    assert [(f.rule, f.severity) for f in found.findings] == [
        ("payment-card", "error"), ("iban", "warning"),
    ]  # fmt: skip
    (problem,) = refusals(found)
    assert (problem.field, problem.fix) == ("/text", "Show the last four digits only.")
    assert "4111" not in str(problem)


def test_values_of_one_s_own_are_exempt() -> None:
    policy = GuardPolicy(exempt=frozenset(["DE89370400440532013000"]))
    assert verdict(policy, text="IBAN DE89 3704 0044 0532 0130 00").findings == ()
    assert verdict(policy, text="IBAN GB82 WEST 1234 5698 7654 32").action == "warn"


@given(st.sampled_from([rule.name for rule in RULES]), st.sampled_from(ACTIONS))
@steady
def test_a_verdict_is_as_strict_as_its_policy(rule: str, action: Action) -> None:
    policy = dataclasses.replace(
        GuardPolicy(actions={"*": "allow", rule: action}), encrypt_tag="[secure]"
    )
    found = verdict(policy, text=f"Card {CARD}")
    assert found.action == (action if rule == "payment-card" else "allow")


# Redaction


def test_redaction_leaves_the_last_four_in_subject_text_and_html() -> None:
    html = (
        "<p class='4111'>Card <b>4111</b>-<i>1&#49;11</i>-1111-1111, "
        "<a href='https://x.test/?card=4111-1111%2D1111-1111&amp;x=1'>pay</a>"
        "<!-- card 4111-1111-1111-1111 --> &lt;b&gt;</p>"
    )
    found = verdict(REDACT, subject=f"Card {CARD}!", text=f"Your card {CARD} is", html=html)
    assert (found.action, found.redacted) == ("redact", True)
    assert found.message.subject == "Card **** **** **** 1111!"
    assert found.message.text == "Your card **** **** **** 1111 is"
    assert found.message.html == (
        "<p class='4111'>Card <b>****</b>-<i>****</i>-****-1111, "
        "<a href='https://x.test/?card=****-****%2D****-1111&amp;x=1'>pay</a>"
        "<!-- card ****-****-****-1111 --> &lt;b&gt;</p>"
    )
    assert inspect(found.message, policy=EVERYTHING).findings == ()


def test_secrets_are_taken_out_whole() -> None:
    key = v.private_key("ec")
    text = f"Password: hunter2x! and\n{key}bye, https://ana:s3cret99@x.test/"
    found = verdict(REDACT, text=text)
    assert found.message.text == (
        "Password: [redacted] and\n[redacted]\nbye, https://ana:[redacted]@x.test/"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"attachments": (file("a.txt", f"card {CARD}".encode()),)},
        {"attachments": (file(f"card {CARD}.pdf", b"%PDF"),)},
        {"headers": {"X-Card": CARD}},
    ],
)
def test_what_cannot_be_redacted_is_held(changes: dict[str, Any]) -> None:
    found = verdict(REDACT, text=f"card {CARD}", **changes)
    assert found.action == "hold"
    assert redacted(message(**changes), policy=GuardPolicy()) is None


def test_more_than_is_reported_is_not_let_through() -> None:
    found = verdict(REDACT, text=f"card {CARD}\n" * 300)
    assert found.action == "hold"
    assert len(found.findings) <= 50


def test_a_redacted_message_can_be_kept_and_read_again() -> None:
    subject = "pw=a1b2 " * 62
    found = verdict(REDACT, subject=subject[:500], text=f"card {CARD}")
    assert len(found.message.subject) <= 500
    assert parse_message(message_json(found.message)) == found.message


_SPLITS = st.lists(
    st.sampled_from(["<b>", "</b>", "<span style='x'>", "</span>", "<!-- 1 -->", "&#8203;", ""]),
    min_size=19,
    max_size=19,
)


@given(_SPLITS, st.lists(st.booleans(), min_size=19, max_size=19), st.integers(0, 9999))
@steady
def test_tags_within_a_number_stay_where_they_are(
    pieces: list[str], coded: list[bool], seed: int
) -> None:
    number = v.grouped(v.card(Random(seed), "visa"), "-")
    chars = [f"&#{ord(c)};" if code else c for c, code in zip(number, coded, strict=True)]
    html = "<p>Card " + "".join(p + c for p, c in zip(pieces, chars, strict=True)) + "</p>"
    found = verdict(REDACT, html=html)
    assert found.action == "redact"
    masked = ["-" if c == "-" else "*" for c in number]
    expected = [
        c if plain == "-" or i >= 15 else mask
        for i, (c, plain, mask) in enumerate(zip(chars, number, masked, strict=True))
    ]
    assert found.message.html == (
        "<p>Card " + "".join(p + c for p, c in zip(pieces, expected, strict=True)) + "</p>"
    )


# Encryption


def test_encryption_marks_header_and_subject_once() -> None:
    policy = GuardPolicy(
        actions={"*": "encrypt"}, encrypt_header=("X-Encrypt", "yes"), encrypt_tag="[secure]"
    )
    found = verdict(policy, text=f"Card {CARD}", headers={"x-encrypt": "no"})
    assert found.action == "encrypt"
    assert found.message.headers == {"X-Encrypt": "yes"}
    assert found.message.subject == "[secure] Hello"
    again = inspect(found.message, policy=policy)
    assert again.message == found.message
    assert parse_message(message_json(found.message)) == found.message


def test_a_message_that_cannot_carry_the_header_is_held() -> None:
    policy = GuardPolicy(actions={"*": "encrypt"}, encrypt_header=("X-Encrypt", "yes"))
    headers = {f"X-{n}": "x" for n in range(50)}
    assert verdict(policy, text=f"Card {CARD}", headers=headers).action == "hold"


def test_one_thing_may_be_redacted_and_another_encrypted() -> None:
    policy = GuardPolicy(actions={"payment-card": "redact", "iban": "encrypt"}, encrypt_tag="[s]")
    found = verdict(policy, text=f"Card {CARD}, IBAN DE89 3704 0044 0532 0130 00")
    assert found.action == "redact"
    assert found.message.subject == "[s] Hello"
    assert "4111" not in (found.message.text or "")


# What is told


def test_nothing_of_a_value_is_told_but_its_end() -> None:
    chance = Random(5)
    secrets = {
        "password: @@": v.password(chance), "@@": v.token(chance, "github-token"),
        "token @@": v.jwt(chance), "@@;": v.storage_connection(chance).partition("Key=")[2],
        "IBAN @@": "DE89370400440532013000", "ftp://a:@@@x.test/": "Zq81xPw7",
        "Key:\n@@": v.private_key("pkcs8").split("\n")[1], "api key @@": v.chars(chance, 40),
    }  # fmt: skip
    for sentence, secret in secrets.items():
        prefix = "AccountKey=" if sentence == "@@;" else ""
        found = verdict(text=sentence.replace("@@", prefix + secret))
        assert found.findings, sentence
        told = json.dumps([dataclasses.asdict(f) for f in found.findings]) + repr(found)
        assert [i for i in range(len(secret) - 5) if secret[i : i + 6] in told] == []


def test_a_name_that_is_found_is_not_told_as_the_place() -> None:
    (finding,) = findings(attachments=(file(f"card {CARD}.pdf", b"%PDF"),))
    assert "4111" not in finding.where


def test_what_messages_share_is_searched_once() -> None:
    searched = []

    class Counted(Memory):
        def recall(self, key: Any, search: Any) -> Any:
            def noted() -> Any:
                searched.append(key)
                return search()

            return super().recall(key, noted)

    memory = Counted()
    shared = (file("a.csv", f"n,card\n1,{CARD}\n".encode(), "text/csv"),)
    verdicts = [
        inspect(message(text=f"Hello {n}", attachments=shared), policy=EVERYTHING, memory=memory)
        for n in range(100)
    ]
    assert {len(found.findings) for found in verdicts} == {1}
    assert len(searched) == 100 + 3  # texts; subject, fields and file once
    first = inspect(message(text="Hello 0", attachments=shared), policy=EVERYTHING)
    assert first.findings == verdicts[0].findings


@given(st.text(max_size=300), st.text(max_size=300))
@steady
def test_any_text_has_a_verdict(text: str, html: str) -> None:
    whole = message().model_copy(update={"text": text, "html": html, "subject": text[:99]})
    found = inspect(whole, policy=REDACT)
    assert found.action in ACTIONS
    if not found.findings:
        assert found.message == whole
