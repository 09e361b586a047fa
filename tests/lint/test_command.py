"""The command: the three kinds of files, what it prints, and its exit codes."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.composing import compose
from shared.lint.__main__ import main
from shared.lint.files import read_mail
from shared.messages.model import Message, TemplateUse
from shared.messages.parsing import message_json
from tests.lint.mails import good_newsletter, good_receipt, make_message, page, rules
from tests.lint.mails import lint as lint_all

TEMPLATED = make_message(subject="", text=None, template=TemplateUse(name="invoice"))
ROOT = Path(__file__).parents[2]


def as_sent(message: Message, **headers: str) -> bytes:
    mail = compose(
        message, message_id="<1@contoso.com>", date=datetime(2026, 11, 27, tzinfo=UTC),
        headers=headers,
    )  # fmt: skip
    return mail.content


def write(folder: Path, name: str, content: bytes | str) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_a_good_mail_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [
        write(tmp_path, "receipt.eml", as_sent(good_receipt())),
        write(tmp_path, "receipt.json", message_json(good_receipt())),
    ]
    assert main(files) == 0
    assert capsys.readouterr().out.splitlines() == [f"{name}: no findings" for name in files]


def test_a_mail_as_sent_has_the_findings_of_its_message() -> None:
    message = make_message(
        subject="Grüße: {{ name }}!!", html=page('<img src="cid:no"><p>Hallo Jürgen 🎉</p>'),
        text=None, attachments=good_receipt().attachments[1:],
    )  # fmt: skip
    assert lint_all(read_mail(as_sent(message))) == lint_all(message)


def test_a_mail_with_list_unsubscribe_is_bulk() -> None:
    sent = as_sent(
        good_newsletter().model_copy(update={"html": None, "text": "News!"}),
        **{"List-Unsubscribe": "<https://contoso.com/u>"},
    )
    assert "unsubscribe-missing" in rules(lint_all(read_mail(sent)))


def test_html_alone_is_linted_without_a_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html = page("<p>Hello\n<a href='http://contoso.com'>Ana</a></p>")
    line = html.partition("<a ")[0].count("\n") + 1
    name = write(tmp_path, "news.html", html)
    assert main([name]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{name}: 2 findings\n\n  warning: ")
    assert f'    at  html, line {line}: <a href="http://contoso.com">\n' in out
    assert "text-missing" in out
    assert main([name, "--policy", '{"text-missing": "off", "link-http": "off"}']) == 0
    capsys.readouterr()
    assert main([name, "--category", "bulk"]) == 2  # unsubscribe-missing


def test_json_for_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(tmp_path, "a.json", message_json(make_message(subject="Hello {{ name }}")))
    assert main(["--json", name]) == 2
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["file"], found["rule"], found["severity"], found["where"]) == (
        name, "placeholder", "error", "/subject",
    )  # fmt: skip
    assert {"why", "fix"} <= set(found)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "x", ".html, .eml or .json"),
        ("a.json", "{", "JSON"),
        ("a.json", '{"from": {"email": "a@b.com"}}', "/to"),
        ("a.html", b"\xff", "UTF-8"),
        ("a.json", message_json(TEMPLATED), "template"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_3(
    name: str, content: bytes | str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([write(tmp_path, name, content)]) == 3
    assert said in capsys.readouterr().err


def test_a_missing_file_and_a_bad_policy_are_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.html")]) == 3
    for policy in ("{", "[]", '{"no-such-rule": "off"}'):
        assert main([str(tmp_path / "none.html"), "--policy", policy]) == 3
        assert "--policy" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"Content-Type: text/html; charset=none\r\n\r\n\xff",
     b"Content-Type: multipart/mixed\r\n\r\nx", b"From: <@>\r\nTo: ,,\r\nSubject: =?x?q?=ff?=\r\n",
     b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!"],
)  # fmt: skip
def test_broken_mails_are_linted_as_far_as_they_go(content: bytes) -> None:
    message = read_mail(content)
    assert message.recipients
    lint_all(message)


def test_it_is_a_command(tmp_path: Path) -> None:
    name = write(tmp_path, "receipt.eml", as_sent(good_receipt()))
    done = subprocess.run(
        [sys.executable, "-m", "shared.lint", name],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{name}: no findings\n"
