"""The host's settings: host.json and the app settings of local.settings.json.

Shapes: https://learn.microsoft.com/azure/azure-functions/functions-host-json. As in Azure, an
environment variable `AzureFunctionsJobHost__extensions__queues__batchSize` overrides its value.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

_TIME = re.compile(
    r"(?:(?P<days>\d+)\.)?(?P<hours>\d{1,2}):(?P<minutes>[0-5]?\d)"
    r"(?::(?P<seconds>[0-5]?\d(?:\.\d{1,7})?))?"
)
_OVERRIDE = "azurefunctionsjobhost__"
_KNOWN = {
    "queues": {
        "batchsize",
        "maxdequeuecount",
        "maxpollinginterval",
        "messageencoding",
        "newbatchthreshold",
        "visibilitytimeout",
    },
    "http": {
        "customheaders",
        "dynamicthrottlesenabled",
        "hsts",
        "maxconcurrentrequests",
        "maxoutstandingrequests",
        "routeprefix",
    },
}


class SettingsError(ValueError):
    """A settings file is wrong; the message names the file, the key and the fix."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    max_polling_interval: timedelta = timedelta(minutes=1)
    visibility_timeout: timedelta = timedelta(0)
    base64: bool = True


@dataclass(frozen=True, slots=True)
class HttpSettings:
    route_prefix: str = "api"
    max_concurrent: int | None = None
    max_outstanding: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostSettings:
    queues: QueueSettings = QueueSettings()
    http: HttpSettings = HttpSettings()
    function_timeout: timedelta | None = timedelta(minutes=30)
    log_levels: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()  # keys that mean nothing here nor in Azure: worth a warning


def read_host_json(app: Path, environment: Mapping[str, str]) -> HostSettings:
    """Read `host.json` of the app's folder, with the overrides of the environment."""
    path = app / "host.json"
    if not path.is_file():
        raise SettingsError(
            f'{path} does not exist: a function app needs one, {{"version": "2.0"}} at least.'
        )
    root = _lowered(_object(path, _read_json(path)))
    if root.get("version") != "2.0":
        raise SettingsError(f'{path}: "version" must be "2.0", not {root.get("version")!r}.')
    _override(root, environment)
    return _Reader(path, root).read()


def load_local_settings(path: Path, environment: MutableMapping[str, str]) -> None:
    """Add the `Values` of a local.settings.json; what the environment has already wins."""
    root = _object(path, _read_json(path))
    if root.get("IsEncrypted"):
        raise SettingsError(f"{path} is encrypted: run 'func settings decrypt' first.")
    for name, value in _object(path, root.get("Values", {})).items():
        if isinstance(value, (dict, list)) or value is None:
            raise SettingsError(f"{path}: the value of '{name}' must be a string.")
        text = value if isinstance(value, str) else json.dumps(value)
        environment.setdefault(name, text)


def read_time_span(text: str) -> timedelta:
    """Read .NET's `[d.]hh:mm[:ss[.fffffff]]`. Raises ValueError."""
    match = _TIME.fullmatch(text.strip())
    if match is None or int(match["hours"]) > 23:  # noqa: PLR2004 - hours of a day
        raise ValueError(f"'{text}' is not a time span: write hh:mm:ss, for example 00:05:00.")
    return timedelta(
        days=int(match["days"] or 0),
        hours=int(match["hours"]),
        minutes=int(match["minutes"]),
        seconds=float(match["seconds"] or 0),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path
    root: dict[str, Any]

    def read(self) -> HostSettings:
        extensions = self.section(self.root, "extensions")
        queues = self.section(extensions, "queues")
        http = self.section(extensions, "http")
        unknown = [
            f"extensions.{section}.{key}"
            for section, values in (("queues", queues), ("http", http))
            for key in values
            if key not in _KNOWN[section]
        ]
        levels = self.section(self.section(self.root, "logging"), "loglevel")
        return HostSettings(
            queues=self.queues(queues),
            http=self.http(http),
            function_timeout=self.function_timeout(),
            log_levels={str(name): str(level) for name, level in levels.items()},
            unknown=tuple(unknown),
        )

    def queues(self, values: dict[str, Any]) -> QueueSettings:
        batch = self.integer(values, "batchSize", 16, 1, 32)
        threshold = batch * (os.process_cpu_count() or 1) // 2
        encoding = str(values.get("messageencoding", "base64")).lower()
        if encoding not in ("base64", "none"):
            raise SettingsError(
                f"{self.path}: extensions.queues.messageEncoding is 'base64' or 'none', "
                f"not '{encoding}'."
            )
        return QueueSettings(
            batch_size=batch,
            new_batch_threshold=self.integer(values, "newBatchThreshold", threshold, 0, 10_000),
            max_dequeue_count=self.integer(values, "maxDequeueCount", 5, 1, 1_000_000),
            max_polling_interval=max(
                self.span(values, "maxPollingInterval", timedelta(minutes=1)),
                timedelta(milliseconds=100),
            ),
            visibility_timeout=self.span(values, "visibilityTimeout", timedelta(0)),
            base64=encoding == "base64",
        )

    def http(self, values: dict[str, Any]) -> HttpSettings:
        concurrent = self.integer(values, "maxConcurrentRequests", -1, -1, 1_000_000)
        outstanding = self.integer(values, "maxOutstandingRequests", -1, -1, 1_000_000)
        return HttpSettings(
            route_prefix=str(values.get("routeprefix", "api")).strip("/"),
            max_concurrent=concurrent if concurrent > 0 else None,
            max_outstanding=outstanding if outstanding > 0 else None,
            headers={
                str(name): str(value)
                for name, value in self.section(values, "customheaders").items()
            },
        )

    def function_timeout(self) -> timedelta | None:
        value = self.root.get("functiontimeout")
        if value is None:
            return timedelta(minutes=30)
        if str(value) == "-1":
            return None
        return self.span(self.root, "functionTimeout", timedelta(minutes=30))

    def section(self, parent: dict[str, Any], name: str) -> dict[str, Any]:
        value = parent.get(name, {})
        if not isinstance(value, dict):
            raise SettingsError(f"{self.path}: '{name}' must be an object.")
        return value

    def integer(
        self, values: dict[str, Any], name: str, default: int, least: int, most: int
    ) -> int:
        value = values.get(name.lower(), default)
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = least - 1
        if isinstance(value, (bool, float)) or not least <= number <= most:
            raise SettingsError(
                f"{self.path}: '{name}' must be a whole number from {least} to {most}, "
                f"not {value!r}."
            )
        return number

    def span(self, values: dict[str, Any], name: str, default: timedelta) -> timedelta:
        value = values.get(name.lower())
        if value is None:
            return default
        try:
            return read_time_span(str(value))
        except ValueError as error:
            raise SettingsError(f"{self.path}: '{name}': {error}") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}.") from error


def _object(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: an object was expected, not {type(value).__name__}.")
    return value


_VERBATIM = frozenset({"loglevel", "customheaders"})  # names below them are data, case and all


def _lowered(value: Any, *, verbatim: bool = False) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key if verbatim else key.lower(): _lowered(
            child, verbatim=verbatim or key.lower() in _VERBATIM
        )
        for key, child in value.items()
    }


def _override(root: dict[str, Any], environment: Mapping[str, str]) -> None:
    for variable, value in environment.items():
        if not variable.lower().startswith(_OVERRIDE):
            continue
        keys = variable[len(_OVERRIDE) :].split("__")
        node = root
        for key in keys[:-1]:
            child = node.setdefault(key.lower(), {})
            if not isinstance(child, dict):
                raise SettingsError(f"{variable}: '{key}' is not an object in host.json.")
            node = child
        last = keys[-1]
        node[last if len(keys) > 1 and keys[-2].lower() in _VERBATIM else last.lower()] = value
