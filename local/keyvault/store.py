"""The vault's secrets and their versions, in memory and, if a folder is given, on disk.

Values may be read after `expires_on` and before `not_before`, as in the real vault: the two
dates inform, only `enabled` forbids. Source:
learn.microsoft.com/azure/key-vault/secrets/about-secrets.
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from local.files import write_whole
from local.keyvault.errors import bad_parameter, secret_disabled, secret_not_found
from local.web import Clock, utc_now

MAX_VALUE_BYTES = 25_600
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """One version of a secret; times in seconds since the epoch."""

    name: str
    version: str
    created: int
    updated: int
    value: str = field(repr=False)
    enabled: bool = True
    not_before: int | None = None
    expires_on: int | None = None
    content_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class VaultStore:
    """Secrets by name, each with its versions from oldest to newest."""

    def __init__(self, folder: Path | None = None, *, clock: Clock = utc_now) -> None:
        self._path = folder / "secrets.json" if folder else None
        self._clock = clock
        self._secrets: dict[str, list[SecretVersion]] = {}
        if self._path is not None and self._path.exists():
            self._load(self._path)

    def set(
        self,
        name: str,
        value: str,
        *,
        enabled: bool = True,
        not_before: int | None = None,
        expires_on: int | None = None,
        content_type: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> SecretVersion:
        """Add a version; raises VaultError for a bad name or a value over 25,600 bytes."""
        check_name(name)
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise bad_parameter(f"The value of secret {name} is no Unicode text.") from None
        if size > MAX_VALUE_BYTES:
            raise bad_parameter(f"The value of secret {name} is over {MAX_VALUE_BYTES} bytes.")
        now = int(self._clock().timestamp())
        version = SecretVersion(
            name=name,
            version=uuid.uuid4().hex,
            created=now,
            updated=now,
            value=value,
            enabled=enabled,
            not_before=not_before,
            expires_on=expires_on,
            content_type=content_type,
            tags=dict(tags or {}),
        )
        self._secrets.setdefault(name.lower(), []).append(version)
        self._save()
        return version

    def get(self, name: str, version: str = "") -> SecretVersion:
        """A version, the newest if none is named; raises VaultError if absent or disabled."""
        found = self.find(name, version)
        if not found.enabled:
            raise secret_disabled()
        return found

    def find(self, name: str, version: str = "") -> SecretVersion:
        """As `get`, disabled versions included."""
        check_name(name)
        versions = self._secrets.get(name.lower(), [])
        wanted = [known for known in versions if not version or known.version == version.lower()]
        if not wanted:
            raise secret_not_found(f"{name}/{version}" if version else name)
        return wanted[-1]

    def update(self, name: str, version: str = "", **changes: Any) -> SecretVersion:
        """Change a version's properties (not its value)."""
        old = self.find(name, version)
        new = replace(old, updated=int(self._clock().timestamp()), **changes)
        versions = self._secrets[name.lower()]
        versions[versions.index(old)] = new
        self._save()
        return new

    def disable(self, name: str, version: str = "") -> SecretVersion:
        return self.update(name, version, enabled=False)

    def versions(self, name: str) -> list[SecretVersion]:
        """All versions of a secret, oldest first; empty if there is no such secret."""
        check_name(name)
        return list(self._secrets.get(name.lower(), []))

    def latest(self) -> list[SecretVersion]:
        """The newest version of each secret, by name."""
        return [versions[-1] for _, versions in sorted(self._secrets.items())]

    def _load(self, path: Path) -> None:
        for item in json.loads(path.read_text()):
            version = SecretVersion(**item)
            self._secrets.setdefault(version.name.lower(), []).append(version)

    def _save(self) -> None:
        if self._path is None:
            return
        content = [
            {name: getattr(version, name) for name in SecretVersion.__dataclass_fields__}
            for versions in self._secrets.values()
            for version in versions
        ]
        write_whole(self._path, json.dumps(content, indent=1), private=True)


def check_name(name: str) -> None:
    """Raise VaultError unless the name is 1 to 127 letters, digits and hyphens."""
    if not _NAME.fullmatch(name):
        raise bad_parameter(
            f"The request URI contains an invalid name: {name!r}. A secret's name has 1 to 127 "
            "letters, digits and hyphens."
        )
