"""`python -m shared.returned`, and the labelled corpus of real mails where it is there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.returned.mails import mail, report

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "bounces"
COMMAND = [sys.executable, "-m", "shared.returned"]
FAILED = "Final-Recipient: rfc822; ann@fabrikam.test\nAction: failed\nStatus: 5.1.1"


def read(*files: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *files], input=stdin, capture_output=True, check=False, cwd=ROOT
    )


def test_one_object_a_line_for_each_file(tmp_path: Path) -> None:
    bounce, other = tmp_path / "bounce.eml", tmp_path / "other.eml"
    bounce.write_bytes(report(FAILED))
    other.write_bytes(mail("Hello", sender="ann@fabrikam.test", subject="Lunch?"))
    done = read(str(bounce), str(other))
    first, second = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, done.stderr) == (0, b"")
    assert (first["file"], first["kind"]) == (str(bounce), "bounce")
    (recipient,) = first["recipients"]
    assert recipient["address"] == "ann@fabrikam.test"
    assert (recipient["status"], recipient["hard"]) == ("5.1.1", True)
    assert (recipient["reason"], recipient["reject_reason"]) == ("user-unknown", "bounced")
    assert first["arrival"] == "2026-03-03T09:30:30+01:00"
    assert (second["kind"], second["recipients"]) == ("other", [])


def test_a_delay_is_a_bounce_of_the_kind_delayed() -> None:
    delayed = report(FAILED.replace("failed", "delayed").replace("5.1.1", "4.4.1"))
    told = json.loads(read("-", stdin=delayed).stdout)
    assert (told["file"], told["kind"], told["report_kind"]) == ("-", "bounce", "delayed")


def test_a_file_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    bounce = tmp_path / "bounce.eml"
    bounce.write_bytes(report(FAILED))
    done = read(str(tmp_path / "missing.eml"), str(bounce))
    assert done.returncode == 1
    assert b"missing.eml: No such file or directory" in done.stderr
    assert json.loads(done.stdout)["kind"] == "bounce"


def test_nothing_of_azure_is_imported() -> None:
    code = "import sys, shared.returned.__main__ as m; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    loaded = {name.split(b".")[0] for name in done.stdout.split()}
    assert not loaded & {b"azure", b"aiohttp", b"msal", b"pydantic", b"cryptography"}


@pytest.mark.skipif(not (CORPUS / "labels.json").exists(), reason=f"no labelled mails in {CORPUS}")
@pytest.mark.parametrize("copies", [[], ["--all-copies"]], ids=["once", "all copies"])
def test_the_labelled_corpus(copies: list[str], tmp_path: Path) -> None:
    result = tmp_path / "score.json"
    arguments = [*copies, "--json", str(result), str(CORPUS / "labels.json"), str(CORPUS)]
    score = [sys.executable, str(CORPUS / "score.py"), *arguments, "--", *COMMAND]
    subprocess.run(score, check=True, cwd=ROOT, capture_output=True)
    told = json.loads(result.read_text())["all"]
    assert told["recall"] >= 99
    assert told["precision"] >= 99
    assert told["hard_undisputed"] >= 97
    assert told["status"] >= 98
    found, complaints = told["complaints"].split("/")
    assert found == complaints
    assert told["false_positives"].startswith("0/")
