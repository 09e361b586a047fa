"""Reload on change: the host runs as a child, drained and started anew; the socket stays open."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path

from local.functions.host import RECYCLE, listening_socket
from local.functions.parent import ParentPipe, when_parent_ends

_IGNORED = frozenset({"node_modules", "tests", "__pycache__", "bench", "docs", "infra"})
_FILES = frozenset({"host.json", "local.settings.json"})


def watch(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Supervise until SIGTERM or SIGINT; returns the exit status."""
    try:
        return asyncio.run(_supervise(options, arguments))
    except OSError as error:
        print(f"local.functions: {error}", file=sys.stderr)
        return 2


async def _supervise(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    listening = listening_socket(options.address, options.port)
    listening.listen(1024)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    child: Process | None = None
    signals = 0

    def stop(number: int) -> None:
        nonlocal signals
        signals += 1
        stopping.set()
        # The first lets the child drain, by _end; a second ends it at once.
        if signals > 1 and child and child.returncode is None:
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    descriptor = listening.fileno()
    pipe = ParentPipe()
    when_parent_ends(options.parent_fd, stopping.set)
    command = _child_arguments(arguments)
    try:
        while not stopping.is_set():
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "local.functions",
                *command,
                "--listen-fd",
                str(descriptor),
                "--parent-fd",
                str(pipe.descriptor),
                pass_fds=(descriptor, pipe.descriptor),
                start_new_session=True,
            )
            await _until_restart(child, options, stopping)
            await _end(child)
    finally:
        listening.close()
        pipe.close()
    return 0


def _child_arguments(arguments: Sequence[str]) -> list[str]:
    """Ours without --watch; the child follows this process, not our parent."""
    kept: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--parent-fd":
            next(remaining, None)
        elif argument != "--watch":
            kept.append(argument)
    return kept


async def _until_restart(
    child: Process, options: argparse.Namespace, stopping: asyncio.Event
) -> None:
    """Return when the code changes, when the child asks to be recycled, or when stopping."""
    changed = asyncio.ensure_future(_change(options))
    ended = asyncio.ensure_future(child.wait())
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({changed, ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if changed.done() or stopped.done() or ended.result() == RECYCLE:
            return
        _tell(f"The host ended with status {child.returncode}: waiting for a change of the code.")
        await asyncio.wait({changed, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (changed, ended, stopped):
            task.cancel()
        await asyncio.gather(changed, ended, stopped, return_exceptions=True)


async def _change(options: argparse.Namespace) -> None:
    from watchfiles import Change, awatch

    def matters(_change: Change, path: str) -> bool:
        return path.endswith(".py") or Path(path).name in _FILES

    async for changes in awatch(
        *_folders(options.app.resolve()), watch_filter=matters, recursive=False, step=50
    ):
        names = sorted({Path(path).name for _, path in changes})
        _tell(f"Changed: {', '.join(names)}: the host starts anew.")
        return


def _folders(app: Path) -> list[Path]:
    """The folders that can hold code: hidden ones, packages of Node and tests are not."""
    folders: list[Path] = []
    for folder, below, _ in os.walk(app):
        below[:] = [name for name in below if name not in _IGNORED and not name.startswith(".")]
        folders.append(Path(folder))
    return folders


async def _end(child: Process) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        await child.wait()


def _tell(text: str) -> None:
    print(f"local.functions: {text}", file=sys.stderr, flush=True)
