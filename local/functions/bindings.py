"""What an app's functions are bound to: the triggers and outputs that this host knows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.functions.protocol import RpcFunctionMetadata

_SETTING = re.compile(r"%([^%\s]+)%")
_QUEUE_NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")
STORAGE = "AzureWebJobsStorage"


class BindingError(ValueError):
    """A function asks for something that this host cannot give; the message names both."""


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    parameter: str
    route: str
    methods: frozenset[str] | None  # None: every method
    auth_level: str  # anonymous, function or admin


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    parameter: str
    queue: str
    connection: str
    binary: bool  # the function asked for bytes (data_type binary)


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    parameter: str
    schedule: str  # NCRONTAB
    run_on_startup: bool
    use_monitor: bool


@dataclass(frozen=True, slots=True)
class QueueOutput:
    parameter: str  # "$return" for the function's return value
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class BlobOutput:
    parameter: str
    path: str  # container/name, may hold {expressions}
    connection: str


type Trigger = HttpTrigger | QueueTrigger | TimerTrigger
type Output = QueueOutput | BlobOutput


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    name: str
    function_id: str
    trigger: Trigger
    outputs: tuple[Output, ...] = ()
    disabled: bool = False


def read_functions(
    indexed: Sequence[RpcFunctionMetadata], settings: Mapping[str, str]
) -> list[FunctionDefinition]:
    """Turn the library's index into definitions, `%SETTING%` replaced by its value.

    A function is disabled by the setting `AzureWebJobs.<name>.Disabled` (or with `_` for the dots).
    Raises BindingError for an unknown binding, a missing setting or an impossible name.
    """
    return [_read_function(function, settings) for function in indexed]


def _read_function(indexed: RpcFunctionMetadata, settings: Mapping[str, str]) -> FunctionDefinition:
    triggers: list[Trigger] = []
    outputs: list[Output] = []

    def expand(value: str) -> str:
        return _expand(value, settings, indexed.name)

    for raw in indexed.raw_bindings:
        binding: dict[str, Any] = json.loads(raw)
        kind = binding["type"]
        if reader := _TRIGGERS.get(kind):
            triggers.append(reader(indexed.name, binding, expand))
        elif kind == "http":
            continue
        elif (maker := _OUTPUTS.get(kind)) and binding["direction"].lower() == "out":
            outputs.append(maker(indexed.name, binding, expand))
        else:
            direction = "input" if binding["direction"].lower() == "in" else "output"
            raise BindingError(
                f"Function '{indexed.name}' uses the {direction} binding '{kind}' (parameter "
                f"'{binding['name']}'), which the local Functions host does not have. It has the "
                f"triggers http, queue and timer and the outputs http, queue and blob: use the "
                f"SDK in the function, or run the app with Core Tools."
            )
    if len(triggers) != 1:
        raise BindingError(
            f"Function '{indexed.name}' has {len(triggers)} triggers; a function has exactly one."
        )
    disabled = (
        settings.get(f"AzureWebJobs.{indexed.name}.Disabled")
        or settings.get(f"AzureWebJobs_{indexed.name}_Disabled")
        or ""
    )
    return FunctionDefinition(
        name=indexed.name,
        function_id=indexed.function_id,
        trigger=triggers[0],
        outputs=tuple(outputs),
        disabled=disabled.lower() in ("1", "true"),
    )


def _expand(value: str, settings: Mapping[str, str], function: str) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in settings:
            raise BindingError(
                f"Function '{function}' refers to %{name}%, but there is no setting '{name}': add "
                f"it to the app settings (local.settings.json, 'Values')."
            )
        return settings[name]

    return _SETTING.sub(replace, value)


type _Expand = Callable[[str], str]


def _read_http(function: str, binding: Mapping[str, Any], _expand: _Expand) -> HttpTrigger:
    methods = binding.get("methods")
    return HttpTrigger(
        parameter=binding["name"],
        route=binding.get("route") or function,
        methods=None if methods is None else frozenset(str(method).upper() for method in methods),
        auth_level=str(binding.get("authLevel") or "function").lower(),
    )


def _read_queue(function: str, binding: Mapping[str, Any], expand: _Expand) -> QueueTrigger:
    return QueueTrigger(
        parameter=binding["name"],
        queue=_queue_name(function, expand(binding["queueName"])),
        connection=binding.get("connection") or STORAGE,
        binary=str(binding.get("dataType", "")).lower() == "binary",
    )


def _read_timer(_function: str, binding: Mapping[str, Any], expand: _Expand) -> TimerTrigger:
    return TimerTrigger(
        parameter=binding["name"],
        schedule=expand(binding["schedule"]),
        run_on_startup=bool(binding.get("runOnStartup", False)),
        use_monitor=binding.get("useMonitor") is not False,
    )


def _read_queue_output(function: str, binding: Mapping[str, Any], expand: _Expand) -> QueueOutput:
    return QueueOutput(
        parameter=binding["name"],
        queue=_queue_name(function, expand(binding["queueName"])),
        connection=binding.get("connection") or STORAGE,
    )


def _read_blob_output(function: str, binding: Mapping[str, Any], expand: _Expand) -> BlobOutput:
    path = expand(binding["path"])
    if "/" not in path.strip("/"):
        raise BindingError(
            f"Function '{function}' writes the blob '{path}': a path is 'container/name'."
        )
    return BlobOutput(
        parameter=binding["name"], path=path, connection=binding.get("connection") or STORAGE
    )


def _queue_name(function: str, name: str) -> str:
    if not _QUEUE_NAME.fullmatch(name) or len(name) > 63:  # noqa: PLR2004 - the service's limit
        raise BindingError(
            f"Function '{function}' names the queue '{name}': a queue's name has 3 to 63 "
            f"lower-case letters, digits and single hyphens."
        )
    return name


_TRIGGERS: Mapping[str, Callable[[str, Mapping[str, Any], _Expand], Trigger]] = {
    "httpTrigger": _read_http,
    "queueTrigger": _read_queue,
    "timerTrigger": _read_timer,
}
_OUTPUTS: Mapping[str, Callable[[str, Mapping[str, Any], _Expand], Output]] = {
    "queue": _read_queue_output,
    "blob": _read_blob_output,
}
