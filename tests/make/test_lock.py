"""The check that the locks fit: the project's own, and each way in which a copy can go wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from make.lock import problems

ROOT = Path(__file__).parents[2]
FILES = (
    "pyproject.toml",
    "requirements.txt",
    "requirements-dev.txt",
    "local/azurite/package.json",
    "local/azurite/package-lock.json",
    "bench/nodemailer/package.json",
    "bench/nodemailer/package-lock.json",
    "tests/browser/package.json",
    "tests/browser/package-lock.json",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_projects_locks_fit() -> None:
    assert list(problems(ROOT)) == []


def changed(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            changed("pyproject.toml", '"msal>=1.39,<2"', '"msal>=99"'),
            "requirements.txt has msal 1.",
        ),
        (
            changed("pyproject.toml", '"msal>=1.39,<2"', '"msal>=1.39,<2", "no-such-package"'),
            "requirements.txt was not compiled with no-such-package",
        ),
        (
            changed("pyproject.toml", '  "aiosmtplib>=5.1,<6",\n', ""),
            "requirements.txt has aiosmtplib, which pyproject.toml no longer asks for",
        ),
        (
            changed("pyproject.toml", '"hypothesis>=6', '"hypothesis>=600'),
            "requirements-dev.txt has hypothesis 6.",
        ),
        (
            changed("requirements-dev.txt", "\naiosmtplib==5", "\naiosmtplib==5.99"),
            "tests would run what is not deployed",
        ),
        (
            changed("requirements.txt", "--hash=sha256:", "--hash=md5:"),
            "requirements.txt has no hash for aiohttp",
        ),
        (
            changed("requirements.txt", "\naiosmtplib==", "\n--find-links x\naiosmtplib=="),
            "requirements.txt names a registry (--find-links)",
        ),
        (
            changed("local/azurite/package.json", '"azurite": "', '"azurite": "9'),
            "package-lock.json was compiled from another package.json",
        ),
        (
            changed("local/azurite/package-lock.json", '"integrity": "', '"resolved": "'),
            "package-lock.json names a registry for node_modules/azurite",
        ),
    ],
)
def test_a_lock_that_does_not_fit_is_named(
    copy: Path, change: Callable[[Path], None], expected: str
) -> None:
    change(copy)
    assert expected in "\n".join(problems(copy))
