"""The Functions host as a process of its own, for tests and the local stack."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from local.functions.parent import ParentPipe

_ROOT = Path(__file__).resolve().parents[2]


class HostStartError(RuntimeError):
    """The host did not get ready; the message ends with its last log lines."""


class FunctionsHost:
    """One host process. Its log goes to `log` (a file; a temporary one if not given).

    `settings` are app settings and win over `settings_file`; the environment of this process is
    handed down unless `environment` is given. `arguments` are further command-line options.
    """

    def __init__(
        self,
        app: Path,
        *,
        settings: Mapping[str, str] | None = None,
        settings_file: Path | None = None,
        keys: Path | None = None,
        port: int = 0,
        watch: bool = False,
        log: Path | None = None,
        log_format: str = "text",
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self._app = app
        self._settings = dict(settings or {})
        self._settings_file = settings_file
        self._keys = keys or app / ".local" / "functions-keys.json"
        self._watch = watch
        self._log_path = log
        self._log_format = log_format
        self._environment = environment
        self._arguments = tuple(arguments)
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[dict[str, Any]] | None = None
        self._pipe: ParentPipe | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.port = port
        self.functions: list[dict[str, Any]] = []
        self.ready_count = 0

    @property
    def url(self) -> str:
        """The base address, without the route prefix: http://127.0.0.1:PORT."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def function_key(self) -> str:
        """The host key that opens every function of level `function`."""
        return str(self._read_keys()["functionKeys"]["default"])

    @property
    def master_key(self) -> str:
        return str(self._read_keys()["masterKey"])

    def key_of(self, function: str) -> str:
        return str(self._read_keys()["functions"][function]["default"])

    def log(self) -> str:
        """All that the host has logged so far."""
        if self._log_path is None or not self._log_path.exists():
            return ""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    async def start(self, within: float = 60.0) -> None:
        """Start and wait until ready; after a stop or kill, on the same port again."""
        if self.running:
            return
        self._ready = asyncio.get_running_loop().create_future()
        self._pipe = ParentPipe()
        with self._open_log() as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(self._pipe.descriptor),
                cwd=_ROOT,
                env={
                    **(os.environ if self._environment is None else self._environment),
                    **self._settings,
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=PIPE,
                stderr=log,
                pass_fds=(self._pipe.descriptor,),
                # Ctrl-C is for the process that owns this object: it stops the host by stop().
                start_new_session=True,
            )
        self._reader = asyncio.create_task(self._read_output(self._process))
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(self._ready)
        except TimeoutError:
            await self.kill()
            raise HostStartError(
                f"The Functions host of {self._app} was not ready within {within:g} s.\n"
                + self._log_end()
            ) from None
        finally:
            if not self.running:
                await self.wait()
                self._clean_up()

    async def stop(self, within: float = 45.0) -> int:
        """SIGTERM, wait for the drain; returns the exit status. Killed after so many seconds."""
        if self._process is None:
            return 0
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within):
                status = await self.wait()
        except TimeoutError:
            await self.kill()
            status = -signal.SIGKILL
        self._clean_up()
        return status

    async def kill(self) -> None:
        """SIGKILL, as a crash or a lost machine would end it."""
        if self._process and self.running:
            self._process.kill()
        await self.wait()

    async def wait(self) -> int:
        """Wait until the process has ended by itself; returns the exit status."""
        assert self._process is not None
        status = await self._process.wait()
        if self._reader:
            await self._reader
        if self._pipe:
            self._pipe.close()
            self._pipe = None
        return status

    def _clean_up(self) -> None:
        """A temporary log goes with its host."""
        if self._temporary:
            self._temporary.cleanup()
            self._temporary = None
            self._log_path = None

    def _command(self, parent: int) -> list[str]:
        command = [sys.executable, "-m", "local.functions", "--json", "--app", str(self._app)]
        command += ["--port", str(self.port), "--keys", str(self._keys)]
        command += ["--log-format", self._log_format, "--parent-fd", str(parent)]
        if self._settings_file:
            command += ["--settings", str(self._settings_file)]
        if self._watch:
            command.append("--watch")
        return [*command, *self._arguments]

    def _open_log(self) -> BinaryIO:
        if self._log_path is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="functions-host-")
            self._log_path = Path(self._temporary.name) / "host.log"
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        return self._log_path.open("ab")

    async def _read_output(self, process: Process) -> None:
        """Take the ready line, and those after reloads, until the process ends."""
        assert process.stdout is not None
        assert self._ready is not None
        while line := await process.stdout.readline():
            if not line.startswith(b'{"ready"'):
                continue  # a child process of the app's that writes to our standard output
            ready = json.loads(line)
            self.port = ready["port"]
            self.functions = ready["functions"]
            self.ready_count += 1
            if not self._ready.done():
                self._ready.set_result(ready)
        status = await process.wait()
        if not self._ready.done():
            self._ready.set_exception(
                HostStartError(
                    f"The Functions host of {self._app} ended with status {status} before it was "
                    f"ready.\n{self._log_end()}"
                )
            )
            self._ready.exception()  # seen: start() may have stopped waiting

    def _log_end(self) -> str:
        return "\n".join(self.log().splitlines()[-30:])

    def _read_keys(self) -> dict[str, Any]:
        keys: dict[str, Any] = json.loads(self._keys.read_text(encoding="utf-8"))
        return keys
