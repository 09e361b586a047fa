"""The command reads saved mails, and tells what it found by its exit status too."""

from pathlib import Path

import pytest

from shared.delivery_tests.__main__ import main
from tests.delivery_tests.mails import EXCHANGE, GMAIL


def test_a_saved_mail_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "original.eml"
    saved.write_bytes(GMAIL)
    assert main(["read", str(saved)]) == 0
    said = capsys.readouterr().out
    assert "SPF pass, DKIM pass, DMARC pass" in said
    assert "TLS 1.3" in said
    assert "unsubscribe   not covered" in said
    assert "→ Exchange Online's own signature leaves it out." in said


def test_what_fails_shows_in_the_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "original.eml"
    saved.write_bytes(EXCHANGE.replace(b"dmarc=pass", b"dmarc=fail"))
    assert main(["read", str(saved), "--json"]) == 1
    assert '"dmarc": "fail"' in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"Subject: only a draft\r\n\r\nText", b"\x00" * 100])
def test_what_has_not_come_by_mail_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    saved = tmp_path / "draft.eml"
    saved.write_bytes(content)
    assert main(["read", str(saved)]) == 2
    assert "Show original" in capsys.readouterr().err


def test_a_missing_file_and_a_missing_address_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAILROOM_URL", raising=False)
    assert main(["read", str(tmp_path / "none.eml")]) == 2
    assert main(["send"]) == 2
    assert "MAILROOM_URL" in capsys.readouterr().err
