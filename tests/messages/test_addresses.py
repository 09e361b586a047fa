"""Which addresses are taken, and in what form they are kept."""

import pytest

from tests.messages.drafts import problem_at, read

TAKEN = {
    "ana@example.com": "ana@example.com",
    "Ana@EXAMPLE.Com": "Ana@example.com",  # the local part's case is the receiver's business
    "ana@bücher.example.de": "ana@xn--bcher-kva.example.de",
    "ana@xn--bcher-kva.example.de": "ana@xn--bcher-kva.example.de",
    "ana@ｅｘａｍｐｌｅ.com": "ana@example.com",
    "ana@例え.jp": "ana@xn--r8jz45g.jp",
    "ünïcode@example.com": "ünïcode@example.com",
    "u\u0308@example.com": "ü@example.com",  # NFC (RFC 6532 section 3.1)
    "用户@例え.jp": "用户@xn--r8jz45g.jp",
    "👍@example.com": "👍@example.com",
    '"ana maria"@example.com': '"ana maria"@example.com',
    '"a@b>c"@example.com': '"a@b>c"@example.com',
    '"needless"@example.com': "needless@example.com",
    '"a\\"b"@example.com': '"a\\"b"@example.com',
    "o'brien+tag@example.com": "o'brien+tag@example.com",
    "ana@mailbox.test": "ana@mailbox.test",
    f"{'x' * 64}@example.com": f"{'x' * 64}@example.com",
}


@pytest.mark.parametrize("given", TAKEN)
def test_an_address_is_kept_in_one_form(given: str) -> None:
    kept = read(to=[{"email": given}]).to[0].email
    assert kept == TAKEN[given]
    assert read(to=[{"email": kept}]).to[0].email == kept
    assert read(from_={"email": given}).sender.email == kept


REFUSED = [
    "", "@", "ana", "ana@", "@example.com", "ana@@example.com", "ana@b@example.com",
    "Ana <ana@example.com>", "<ana@example.com>", "ana@example.com, bo@example.com", " ana@x.com",
    "ana@x.com ", "an a@example.com", "ana@exa mple.com", "ana@localhost", "ana@example",
    "ana@[127.0.0.1]", "ana@[IPv6:::1]", "ana@-example.com", "ana@example-.com", "ana@exam_ple.com",
    "ana@example..com", "ana@.example.com", "ana@example.com.", ".ana@example.com",
    "ana.@example.com", "a..na@example.com", '""@example.com', '"ana@example.com', 'a"b"c@x.com',
    'an"a@example.com', "ana(comment)@example.com", "ana;@example.com", "ana:@example.com",
    "ana\\@example.com", "an\u200ba@example.com", "an\u00ada@example.com", "ana@exam\u200bple.com",
    f"{'x' * 65}@example.com", f"{'é' * 33}@example.com", f"ana@{'x' * 64}.com",
    f"ana@{'x.' * 126}com", "ana@xn--999999999.com",
    "ana@example.invalid", "ana@☃\u200d.com", "mailto:ana@example.com",
]  # fmt: skip


@pytest.mark.parametrize("given", REFUSED)
def test_what_is_no_address_is_refused_at_its_place(given: str) -> None:
    problem = problem_at("/cc/1/email", cc=[{"email": "bo@example.com"}, {"email": given}])
    assert problem.detail.startswith("It is not an e-mail address")
    assert "ana@example.com" in problem.fix


def test_a_name_with_quotes_and_brackets_is_only_a_name() -> None:
    name = 'Ana "the <ana@example.com>" O\\\'Neil, Dr.; (x)'
    assert read(to=[{"email": "ana@example.com", "name": name}]).to[0].name == name


def test_each_recipient_is_named_once_whatever_its_case_and_field() -> None:
    message = read(
        to=[{"email": "Ana@example.com"}, {"email": "bo@example.com"}],
        cc=[{"email": "ana@EXAMPLE.com"}],
        bcc=[{"email": "BO@example.com"}, {"email": "cy@example.com"}],
    )
    assert [r.email for r in message.recipients] == [
        "Ana@example.com", "bo@example.com", "cy@example.com",
    ]  # fmt: skip
