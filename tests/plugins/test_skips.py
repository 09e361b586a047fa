"""The plugin in a run of its own, as a person and as CI would see it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

def test_runs():
    pass

@pytest.mark.skip(reason="no peer here")
def test_marked():
    pass

@pytest.fixture
def peer():
    pytest.skip("no peer here")

def test_fixture(peer):
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_failure():
    assert False
"""
MODULE = 'import pytest\npytest.skip("no data there", allow_module_level=True)'


def run(folder: Path, *tests: str, **environment: str) -> tuple[int, list[str]]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    for number, text in enumerate(tests):
        (folder / f"test_{number}.py").write_text(text)
    kept = {name: text for name, text in os.environ.items() if name != "MAILROOM_CI"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.plugins.skips", "-p", "no:cacheprovider"],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def test_skips_and_their_reasons_close_the_output(tmp_path: Path) -> None:
    code, lines = run(tmp_path, TESTS, MODULE)
    assert code == pytest.ExitCode.OK
    assert lines[-6:] == [
        "NOT TESTED: no data there",
        "  test_1.py",
        "",
        "NOT TESTED: no peer here",
        "  test_0.py::test_marked",
        "  test_0.py::test_fixture",
    ]


def test_a_skipped_test_fails_in_ci(tmp_path: Path) -> None:
    code, lines = run(tmp_path, TESTS, MAILROOM_CI="1")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert lines.count("Skipped where every test must run (MAILROOM_CI is set): no peer here") == 2
    assert "1 passed, 1 xfailed, 2 errors" in lines[-1]


def test_a_skipped_module_fails_in_ci(tmp_path: Path) -> None:
    code, lines = run(tmp_path, MODULE, MAILROOM_CI="1")
    assert code == pytest.ExitCode.INTERRUPTED
    assert "Skipped where every test must run (MAILROOM_CI is set): no data there" in lines
