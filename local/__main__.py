"""`python -m local run`: the stack for development. `python -m local demo`: a show of it."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

from local.stack import ROOT, LocalStack, StackOptions


def main() -> int:
    options = _parser().parse_args()
    if options.command == "demo":
        from local.demo import run_demo

        return asyncio.run(_until_signal(run_demo(keep=options.keep)))
    return asyncio.run(_until_signal(_run(options)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="keep the stack up, with reload on change")
    run.add_argument("--port", type=int, default=7071, help="the API's port; 0: a free one")
    run.add_argument("--inbox-port", type=int, default=8025, help="the inbox page's; 0: free")
    run.add_argument("--folder", type=Path, default=ROOT / ".local", help="where data is kept")
    run.add_argument("--no-watch", action="store_true", help="do not reload on change")
    demo = commands.add_parser("demo", help="send real messages and show what became of them")
    demo.add_argument("--keep", action="store_true", help="stay up afterwards, until Ctrl-C")
    return parser


async def _until_signal(work: Coroutine[None, None, int]) -> int:
    """Ends `work` on SIGINT or SIGTERM as on an error: what it started is stopped."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 130


async def _run(options: argparse.Namespace) -> int:
    stack = LocalStack(
        StackOptions(
            folder=options.folder,
            port=options.port,
            inbox_port=options.inbox_port,
            watch=not options.no_watch,
        )
    )
    async with stack:
        print(f"API      {stack.url}   (key: {stack.host.function_key})")
        print(f"Inbox    {stack.office365.inbox_url}")
        print(f"Log      {stack.log_path}")
        print("Ctrl-C stops everything.")
        sys.stdout.flush()
        await asyncio.Event().wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
