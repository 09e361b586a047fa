"""What functions and the host say: one line a record, with the function and the invocation.

Everything goes to standard error, as text or as JSON lines; standard output holds nothing but the
ready line. Levels are those of host.json (`logging.logLevel`), by the longest matching category:
`Function.<name>.User` for what a function logs or prints, `Function.<name>` for what the host says
of its calls, `Host.<part>` for the rest.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

LEVELS = {
    "trace": 5,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}
_NAMES = {5: "trace", 10: "debug", 20: "info", 30: "warn", 40: "error", 50: "critical"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function."""

    function: str
    invocation_id: str


current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)


class CallRegister:
    """The running calls by id: a synchronous function's thread knows only its invocation id."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def enter(self, call: Call) -> None:
        self._calls[call.invocation_id] = call

    def leave(self, call: Call) -> None:
        self._calls.pop(call.invocation_id, None)

    def current(self) -> Call | None:
        if call := current_call.get():
            return call
        # The library imports azure.functions: only once it is loaded can a call be running.
        library = sys.modules.get("azure_functions_runtime")
        invocation_id = library.invocation_id_cv.get() if library else None
        return self._calls.get(invocation_id) if invocation_id else None


class LogLines(logging.Handler):
    """Writes records as lines. One for the process, on the root logger."""

    def __init__(
        self, stream: TextIO, calls: CallRegister, *, levels: Mapping[str, str], as_json: bool
    ) -> None:
        super().__init__()
        self._stream = stream
        self._calls = calls
        self._json = as_json
        self._levels = {name.lower(): _level(name, level) for name, level in levels.items()}
        self._levels.setdefault("default", logging.INFO)
        self._by_category: dict[str, int] = {}
        self._host_thread = threading.get_ident()

    @property
    def lowest(self) -> int:
        return min(self._levels.values())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            call = self._calls.current()
            category = _category(record, call)
            if record.levelno < self._threshold(category) or self._is_transport_noise(record):
                return
            line = self._as_json(record, category, call) if self._json else _as_text(record, call)
            self._stream.write(line)
            self._stream.flush()
        except Exception:  # noqa: BLE001 - a log line must never break what it tells of
            self.handleError(record)

    def _threshold(self, category: str) -> int:
        known = self._by_category.get(category)
        if known is None:
            name = category.lower()
            while name and name not in self._levels:
                name = name.rpartition(".")[0]
            known = self._by_category[category] = self._levels[name or "default"]
        return known

    def _is_transport_noise(self, record: logging.LogRecord) -> bool:
        """The SDK's account of each request that the host's own listeners make."""
        return (
            record.thread == self._host_thread
            and record.levelno < logging.WARNING
            and record.name.startswith("azure.")
        )

    def _as_json(self, record: logging.LogRecord, category: str, call: Call | None) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": _NAMES.get(record.levelno, record.levelname.lower()),
            "category": category,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if call:
            line["function"] = call.function
            line["invocation_id"] = call.invocation_id
        if trace := _traceback(record):
            line["exception"] = trace
        return json.dumps(line, ensure_ascii=False) + "\n"


class CapturedStream(io.TextIOBase):
    """Stands for sys.stdout or sys.stderr: what a function prints becomes log lines."""

    def __init__(self, name: str, level: int, calls: CallRegister, original: TextIO) -> None:
        self._logger = logging.getLogger(name)
        self._level = level
        self._calls = calls
        self._original = original
        self._partial: dict[tuple[int, Call | None], str] = {}
        self._lock = threading.Lock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._original.encoding

    def fileno(self) -> int:
        return self._original.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        key = (threading.get_ident(), self._calls.current())
        with self._lock:
            *lines, rest = (self._partial.pop(key, "") + text).split("\n")
            if rest:
                self._partial[key] = rest
        for line in lines:
            self._logger.log(self._level, "%s", line)
        return len(text)

    def flush(self) -> None:
        key = (threading.get_ident(), self._calls.current())
        with self._lock:
            rest = self._partial.pop(key, "")
        if rest:
            self._logger.log(self._level, "%s", rest)


def install(calls: CallRegister, *, levels: Mapping[str, str], as_json: bool) -> TextIO:
    """Send all logging and printing of this process to standard error; call on the host's thread.

    Returns the real standard output, for the ready line.
    """
    stdout, stderr = sys.stdout, sys.stderr
    handler = LogLines(stderr, calls, levels=levels, as_json=as_json)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(handler.lowest)
    logging.captureWarnings(capture=True)
    # Two lines for each call that say nothing more than the host's own.
    logging.getLogger("azure.functions").setLevel(logging.WARNING)
    sys.stdout = CapturedStream("stdout", logging.INFO, calls, stdout)
    sys.stderr = CapturedStream("stderr", logging.ERROR, calls, stderr)
    return stdout


def _level(category: str, name: str) -> int:
    try:
        return LEVELS[name.lower()]
    except KeyError:
        raise ValueError(
            f"host.json: logging.logLevel.{category} is '{name}'; it may be Trace, Debug, "
            f"Information, Warning, Error, Critical or None."
        ) from None


def _category(record: logging.LogRecord, call: Call | None) -> str:
    if record.name.startswith(("Host.", "Function.")):
        return record.name
    return f"Function.{call.function}.User" if call else record.name


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _as_text(record: logging.LogRecord, call: Call | None) -> str:
    level = _NAMES.get(record.levelno, record.levelname.lower())
    source = f"{call.function}/{call.invocation_id[:8]}" if call else record.name
    line = f"{_time(record)} {level:<5} [{source}] {record.getMessage()}\n"
    trace = _traceback(record)
    return f"{line}{trace}\n" if trace else line


def _traceback(record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[0] is not None:
        return logging.Formatter().formatException(record.exc_info)
    return str(getattr(record, "stack_trace", "") or "")
