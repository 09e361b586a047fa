"""A server of the operating system's packages, run from a temporary folder."""

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS = 20.0
STOP_SECONDS = 5.0


# Postfix's master changes its effective user, which makes the kernel forget its parent-death
# signal; a shell keeps it and hands it on.
KEEPER = 'trap "kill \\$pid" TERM; "$@" & pid=$!; wait "$pid"; code=$?; wait; exit "$code"'


class DaemonError(RuntimeError):
    """A daemon that did not start; the text ends with its log."""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Daemon:
    """One foreground process that gets SIGTERM when this one ends, however it ends."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._command = " ".join(command)
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "sh", "-c", KEEPER, "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # a daemon that inherits a pipe keeps its reader waiting
                stderr=errors,
                start_new_session=True,
                env={"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"},
            )

    def wait_for(self, port: int) -> None:
        """Wait until something answers with a greeting on the port."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise DaemonError(
                    f"{self._command} ended with {self._process.returncode}:\n{self.log()}"
                )
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), timeout=1) as connection,
            ):
                if connection.recv(1):
                    return
            time.sleep(0.02)
        raise DaemonError(f"nothing answers on port {port}:\n{self.log()}")

    def stop(self) -> None:
        """SIGTERM, which both masters hand on to their children; then SIGKILL."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")[-8000:] if self._log.exists() else ""
