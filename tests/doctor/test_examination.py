"""The runner, its report and the command: nothing crashes it, and all is told."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.api.doctor import DoctorApi, DoctorView
from shared.doctor.examination import CHECKS, Examination, examine_settings
from shared.doctor.finding import Finding, Patient, Severity
from shared.doctor.report import as_text
from shared.errors import CredentialError
from shared.settings import load_settings
from tests.doctor.conftest import Scene

ROOT = Path(__file__).parents[2]


async def check_fine(_: Patient) -> Sequence[Finding]:
    return [Finding(check="fine", severity=Severity.OK, detail="As it should be.")]


async def check_that_hangs(_: Patient) -> Sequence[Finding]:
    await asyncio.Event().wait()
    raise AssertionError


async def check_that_breaks(_: Patient) -> Sequence[Finding]:
    raise RuntimeError("with a secret: hunter2")


async def check_that_is_refused(_: Patient) -> Sequence[Finding]:
    raise CredentialError("It was refused.", fix="Do this.")


async def test_what_checks_raise_becomes_findings(scene: Scene) -> None:
    examination = await examine_settings(
        load_settings(scene.environment),
        scene.environment,
        checks=[check_that_hangs, check_that_breaks, check_that_is_refused, check_fine],
        patience=0.2,
    )
    hung, broken, refused, fine = examination.findings
    assert (hung.check, hung.detail) == ("that-hangs.failed", "No answer within 0.2 seconds.")
    assert (broken.check, broken.severity) == ("that-breaks.failed", Severity.ERROR)
    assert "RuntimeError" in broken.detail
    assert "hunter2" not in as_text(examination)
    assert (refused.detail, refused.fix) == ("It was refused.", "Do this.")
    assert fine.severity == Severity.OK
    assert examination.worst == Severity.ERROR


def test_the_worst_is_told_last_and_colours_only_where_asked() -> None:
    findings = (
        Finding(check="b", severity=Severity.ERROR, detail="d\x1b[2J", cause="c", fix="f"),
        Finding(check="a", severity=Severity.OK, subject="s", detail="d"),
    )
    examination = Examination(datetime(2026, 11, 27, tzinfo=UTC), findings)
    text = as_text(examination)
    assert text.splitlines()[0].split() == ["OK", "a", "(s)"]
    assert text.splitlines()[-1] == "1 ok, 1 error"
    assert "\x1b" not in text  # what a server said steers no terminal
    assert as_text(examination, colour=True).startswith("\x1b[32mOK")


def run(settings: Path, *options: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAILROOM_", "IDENTITY_"))}
    return subprocess.run(
        [sys.executable, "-m", "shared.doctor", "--settings", str(settings), *options],
        cwd=ROOT,
        env=kept | {"MAILROOM_SMTP_PORT": "25"},  # the file goes before it
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_the_command_reads_a_settings_file(scene: Scene, tmp_path: Path) -> None:
    settings = tmp_path / "local.settings.json"
    settings.write_text(json.dumps({"Values": scene.environment}))
    done = await asyncio.to_thread(run, settings, "--json")
    found = json.loads(done.stdout)
    assert done.stderr == ""
    assert done.returncode == int(Severity[found["worst"].upper()]), found
    assert {f["check"] for f in found["findings"]} >= {"token.audience", "storage.queue"}
    assert not any(secret in done.stdout for secret in scene.secrets)


def test_unusable_settings_are_a_finding(tmp_path: Path) -> None:
    settings = tmp_path / "local.settings.json"
    settings.write_text(json.dumps({"Values": {"MAILROOM_SENDERS": "[", "MAILROOM_LEASE": "x"}}))
    done = run(settings)
    assert done.returncode == Severity.ERROR
    assert "\x1b" not in done.stdout
    for part in ("settings.usable", "MAILROOM_TENANT_ID", "MAILROOM_LEASE", "Fix: Set them"):
        assert part in done.stdout


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"Values": 1}'])
def test_a_file_that_holds_no_settings_is_named(tmp_path: Path, content: str) -> None:
    settings = tmp_path / "wrong.json"
    settings.write_text(content)
    done = run(settings)
    assert done.returncode == 64
    assert "wrong.json" in done.stderr
    assert "Values" in done.stderr


async def test_the_endpoint_answers_what_it_describes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in scene.environment.items():
        monkeypatch.setenv(name, value)
    api = DoctorApi(load_settings(scene.environment), clock=scene.clock)
    answer = await api.get()
    assert answer.status == 200
    view = DoctorView.model_validate_json(answer.body)
    assert view.worst in {finding.severity for finding in view.findings}
    assert "token.way" in {finding.check for finding in view.findings}
    assert not any(secret.encode() in answer.body for secret in scene.secrets)


def test_each_check_says_what_it_is() -> None:
    assert all(check.__doc__ for check in CHECKS)
