"""Access keys: the host's (for every function), each function's own, and the master key.

Kept in a file of mode 0600, made with random keys at first start. Auth levels as in Azure:
`anonymous` needs none; `function` takes the function's key, a host key or the master key; `admin`
the master key alone.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class KeysError(ValueError):
    """The keys file cannot be used; the message names it and the fix."""


@dataclass(frozen=True, slots=True)
class Keys:
    master: str = field(repr=False)
    host: Mapping[str, str] = field(repr=False)
    functions: Mapping[str, Mapping[str, str]] = field(repr=False)

    def allow(self, auth_level: str, function: str | None, given: str | None) -> bool:
        """Whether a key opens a function of this auth level (`None` function: the host itself)."""
        if auth_level == "anonymous":
            return True
        if not given:
            return False
        accepted = [self.master]
        if auth_level == "function":
            accepted += self.host.values()
            accepted += self.functions.get(function or "", {}).values()
        matches = [hmac.compare_digest(key.encode(), given.encode()) for key in accepted]
        return any(matches)


def load_keys(path: Path, functions: Iterable[str]) -> Keys:
    """Read the keys file, adding what is missing: master, host default, one for each function."""
    content = _read(path)
    functions_keys = content.setdefault("functions", {})
    before = json.dumps(content, sort_keys=True)
    content.setdefault("masterKey", secrets.token_urlsafe(40))
    content.setdefault("functionKeys", {}).setdefault("default", secrets.token_urlsafe(40))
    for name in functions:
        functions_keys.setdefault(name, {}).setdefault("default", secrets.token_urlsafe(40))
    if json.dumps(content, sort_keys=True) != before or not path.exists():
        _write(path, content)
    return Keys(master=content["masterKey"], host=content["functionKeys"], functions=functions_keys)


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        valid = isinstance(content, dict) and _are_keys(content)
    except ValueError as error:
        raise KeysError(f"{path} is not JSON ({error}): delete it to get new keys.") from error
    if not valid:
        raise KeysError(
            f"{path} does not hold keys: it is "
            '{"masterKey": "…", "functionKeys": {"default": "…"}, '
            '"functions": {"<name>": {"default": "…"}}}, and no key is empty.'
        )
    return dict(content)


def _are_keys(content: Mapping[str, Any]) -> bool:
    def named(value: Any) -> bool:
        return isinstance(value, dict) and all(
            isinstance(key, str) and key for key in value.values()
        )

    functions = content.get("functions", {})
    master = content.get("masterKey", "-")
    return (
        isinstance(master, str)
        and bool(master)
        and named(content.get("functionKeys", {}))
        and isinstance(functions, dict)
        and all(named(keys) for keys in functions.values())
    )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all, and never readable by others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    temporary.replace(path)
