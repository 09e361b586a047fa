"""Whether the locks still fit what they were compiled from. Asks no registry.

``requirements.txt`` must pin every dependency of pyproject.toml within its bounds and with hashes,
``requirements-dev.txt`` those of the dev group too at the same versions, and each
package-lock.json (Azurite's, Nodemailer's, axe-core's) the version in its package.json. None of
them may name a registry.
"""

import json
import re
import sys
import tomllib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^(?P<name>[\w.-]+)(\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)
REGISTRY = re.compile(r"--(extra-)?index-url|--find-links|\bhttps?://")


class Pin(NamedTuple):
    """One locked package."""

    version: str
    hashed: bool
    direct: bool
    """Whether pyproject.toml itself asks for it, by the lock's own comments."""


def main() -> int:
    """Print each problem; 1 when there is one."""
    found = list(problems(ROOT))
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        print("Run `make lock` and commit what it changes.", file=sys.stderr)
    else:
        print("The locks fit pyproject.toml and package.json.")
    return 1 if found else 0


def problems(root: Path) -> Iterator[str]:
    """What does not fit, one sentence each."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    production = [Requirement(text) for text in project["project"]["dependencies"]]
    development = production + group(project["dependency-groups"], "dev")
    pins = yield from _lock_problems(root / "requirements.txt", production)
    dev_pins = yield from _lock_problems(root / "requirements-dev.txt", development)
    for name, pin in pins.items():
        if name not in dev_pins or dev_pins[name].version != pin.version:
            other = dev_pins[name].version if name in dev_pins else "nothing"
            yield (
                f"requirements.txt has {name} {pin.version}, requirements-dev.txt {other}: "
                "tests would run what is not deployed."
            )
    for folder in ("local/azurite", "bench/nodemailer", "tests/browser"):
        yield from _npm_problems(root / folder)


def group(groups: dict[str, list[Any]], name: str) -> list[Requirement]:
    """A dependency group with those that it includes (PEP 735)."""
    found: list[Requirement] = []
    for entry in groups[name]:
        if isinstance(entry, str):
            found.append(Requirement(entry))
        else:
            found += group(groups, entry["include-group"])
    return found


def read_pins(text: str) -> dict[str, Pin]:
    """The pins of a compiled requirements file by normalised name."""
    starts = list(PIN.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return {
        canonicalize_name(start["name"]): Pin(
            start["version"],
            hashed="--hash=sha256:" in text[start.end() : end],
            direct="(pyproject.toml" in text[start.end() : end],
        )
        for start, end in zip(starts, ends, strict=True)
    }


def _lock_problems(path: Path, wanted: list[Requirement]) -> Generator[str, None, dict[str, Pin]]:
    text = path.read_text("utf-8")
    pins = read_pins(text)
    names = {canonicalize_name(requirement.name) for requirement in wanted}
    for requirement in wanted:
        pin = pins.get(canonicalize_name(requirement.name))
        if pin is None or not pin.direct:
            yield f"{path.name} was not compiled with {requirement}."
        elif not requirement.specifier.contains(pin.version, prereleases=True):
            yield f"{path.name} has {requirement.name} {pin.version}, wanted is {requirement}."
    for name, pin in pins.items():
        if not pin.hashed:
            yield f"{path.name} has no hash for {name}."
        if pin.direct and name not in names:
            yield f"{path.name} has {name}, which pyproject.toml no longer asks for."
    if found := REGISTRY.search(text):
        yield f"{path.name} names a registry ({found[0]}): a lock must work with any."
    return pins


def _npm_problems(folder: Path) -> Iterator[str]:
    manifest = json.loads((folder / "package.json").read_text("utf-8"))
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    if lock[""].get("dependencies") != manifest["dependencies"]:
        yield "package-lock.json was compiled from another package.json."
    for name, version in manifest["dependencies"].items():
        locked = lock.get(f"node_modules/{name}", {}).get("version")
        if locked != version:
            yield f"package.json pins {name} {version}, package-lock.json has {locked}."
    for path, package in lock.items():
        if path and "integrity" not in package:
            yield f"package-lock.json has no hash for {path}."
        if "resolved" in package:
            yield f"package-lock.json names a registry for {path}: a lock must work with any."


if __name__ == "__main__":
    sys.exit(main())
