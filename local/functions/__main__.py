"""The command: python -m local.functions --app FOLDER --port N [--watch]."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from local.functions.host import Host, HostOptions
from local.functions.logs import CallRegister, install
from local.functions.parent import when_parent_ends
from local.functions.settings import HostSettings, load_local_settings, read_host_json


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.watch:
        from local.functions.watch import watch

        return watch(options, sys.argv[1:] if arguments is None else list(arguments))
    try:
        return _run(options)
    except (ValueError, RuntimeError, OSError) as error:
        print(f"local.functions: {error}", file=sys.__stderr__)
        return 2


def _run(options: argparse.Namespace) -> int:
    app = options.app.resolve()
    keys = (options.keys or app / ".local" / "functions-keys.json").resolve()
    if options.settings:
        load_local_settings(options.settings.resolve(), os.environ)
    settings = read_host_json(app, os.environ)
    os.chdir(app)
    calls = CallRegister()
    stdout = install(calls, levels=settings.log_levels, as_json=options.log_format == "json")
    host_options = HostOptions(
        app=app,
        keys=keys,
        address=options.address,
        port=options.port,
        listen_fd=options.listen_fd,
        parent_fd=options.parent_fd,
        drain_seconds=options.drain_seconds,
        claim=timedelta(seconds=options.claim_seconds),
        lease_seconds=options.lease_seconds,
        max_body=round(options.max_body_mb * 1024 * 1024),
    )
    status = asyncio.run(_serve(host_options, settings, calls, stdout, as_json=options.json))
    # The app's own threads must not keep a stopped host alive; atexit handlers get their time.
    _exit_in(5.0, status)
    return status


async def _serve(
    options: HostOptions,
    settings: HostSettings,
    calls: CallRegister,
    stdout: TextIO,
    *,
    as_json: bool,
) -> int:
    host = Host(options, settings, dict(os.environ), calls)
    _stop_on_signals(host)
    when_parent_ends(options.parent_fd, host.stop_requested.set)
    starting = asyncio.ensure_future(host.start())
    stopping = asyncio.ensure_future(host.stop_requested.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        os._exit(0)  # still importing the app: nothing has been taken yet
    try:
        await starting
        print(ready_text(host, as_json=as_json), file=stdout, flush=True)
        await stopping
    finally:
        stopping.cancel()
        await host.stop()
        if host.abandoned:
            os._exit(host.exit_status)
    return host.exit_status


def ready_text(host: Host, *, as_json: bool) -> str:
    """The function table with URLs: one JSON line, or a table as Core Tools prints it."""
    functions = host.describe()
    if as_json:
        return json.dumps(
            {
                "ready": True,
                "url": host.url,
                "port": host.port,
                "pid": os.getpid(),
                "functions": functions,
            }
        )
    lines = [f"Functions host ready at {host.url}", ""]
    width = max(len(str(function["name"])) for function in functions)
    for function in functions:
        match function["trigger"]:
            case "http":
                methods = ",".join(function["methods"]) if function["methods"] else "any"
                what = f"http   [{methods}] {function['url']} ({function['auth_level']})"
            case "queue":
                what = f"queue  {function['queue']}"
            case _:
                what = f"timer  {function['schedule']}"
        disabled = "  (disabled)" if function["disabled"] else ""
        lines.append(f"  {function['name']:<{width}}  {what}{disabled}")
    return "\n".join([*lines, ""])


def _stop_on_signals(host: Host) -> None:
    def stop(number: int) -> None:
        if host.stop_requested.is_set():
            os._exit(128 + number)
        host.stop_requested.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)


def _exit_in(seconds: float, status: int) -> None:
    timer = threading.Timer(seconds, os._exit, args=(status,))
    timer.daemon = True
    timer.start()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.functions",
        description="Run an Azure Functions app (Python, v2 model) on this machine.",
    )
    add = parser.add_argument
    add("--app", type=Path, default=Path(), help="the folder of function_app.py and host.json")
    add("--address", default="127.0.0.1", help="the address to listen on")
    add("--port", type=int, default=7071, help="0 for a free one, told in the ready line")
    add("--settings", type=Path, help="a local.settings.json; the environment wins over it")
    add("--keys", type=Path, help="the keys file, made if missing (APP/.local/functions-keys.json)")
    add("--watch", action="store_true", help="start anew when the app's code or host.json changes")
    add("--json", action="store_true", help="the ready line as JSON")
    add("--log-format", choices=("text", "json"), default="text", help="of standard error")
    add("--drain-seconds", type=float, default=30.0, help="how long running functions may end")
    add("--claim-seconds", type=float, default=600.0, help="how long a message stays claimed")
    add("--lease-seconds", type=int, default=15, help="of the timers' lock (15 to 60)")
    add("--max-body-mb", type=float, default=100.0, help="the largest request body")
    add("--listen-fd", type=int, help=argparse.SUPPRESS)
    add("--parent-fd", type=int, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
