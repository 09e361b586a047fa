"""Bicep files as the tests read them: parsed by pycep, and as text without comments."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

from pycep import BicepParser

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
FILES = tuple(sorted(INFRA.rglob("*.bicep")))

_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
_DESCRIPTION = re.compile(r"^@description\('(?:[^'\\]|\\.)*'\)\n", re.MULTILINE)
_OUTPUT = re.compile(r"\b(\w+)\.\??outputs\.(\w+)")


@dataclass(frozen=True)
class Template:
    path: Path

    @cached_property
    def parsed(self) -> dict[str, dict[str, Any]]:
        return cast("dict[str, dict[str, Any]]", BicepParser().parse(file_path=self.path))

    @cached_property
    def text(self) -> str:
        """The file without comments and descriptions, which use nothing."""
        return _DESCRIPTION.sub("", _COMMENT.sub("", self.path.read_text(encoding="utf-8")))

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return self.parsed.get("parameters", {})

    @property
    def variables(self) -> dict[str, Any]:
        return {name: it["value"] for name, it in self.parsed.get("variables", {}).items()}

    @property
    def outputs(self) -> dict[str, Any]:
        return self.parsed.get("outputs", {})

    @property
    def modules(self) -> dict[str, "Call"]:
        return {
            name: Call(
                self.path.parent / module["detail"]["path"],
                unwrapped(module["config"]).get("params", {}),
            )
            for name, module in self.parsed.get("modules", {}).items()
        }

    @property
    def resources(self) -> dict[str, "Resource"]:
        return {
            name: Resource(it["type"], it["api_version"], it["existing"], unwrapped(it["config"]))
            for name, it in self.parsed.get("resources", {}).items()
        }

    @property
    def used_outputs(self) -> set[tuple[str, str]]:
        """Names of modules, each with an output that is read."""
        return set(_OUTPUT.findall(self.text))

    def uses(self, name: str) -> int:
        """How often a name stands in the file, its declaration included."""
        return len(re.findall(rf"\b{re.escape(name)}\b", self.text))


@dataclass(frozen=True)
class Call:
    path: Path
    params: dict[str, Any]


@dataclass(frozen=True)
class Resource:
    type: str
    api_version: str
    existing: bool
    config: dict[str, Any]


def unwrapped(config: dict[str, Any]) -> dict[str, Any]:
    """What is inside of a loop or a condition."""
    while "config" in config and isinstance(config["config"], dict):
        config = config["config"]
    return config


@cache
def read(path: Path) -> Template:
    """A template, parsed once."""
    return Template(path.resolve())


def template(name: str) -> Template:
    """A template by its path below `infra/`, without `.bicep`."""
    return read(INFRA / f"{name}.bicep")


def templates() -> tuple[Template, ...]:
    return tuple(read(path) for path in FILES)


def keys_of(value: object) -> Iterator[str]:
    """The keys of all objects in a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)
