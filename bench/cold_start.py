"""Cold start: what the app's import costs, and how long the first answer takes."""

import json
import statistics
import subprocess
import sys
import time

import aiohttp
import psutil
from rich.console import Console
from rich.table import Table

from local.stack import ROOT, LocalStack

ROUNDS = 7

_PROBE = """
import json, time
started = time.perf_counter()
{statement}
seconds = time.perf_counter() - started
import psutil
print(json.dumps([seconds, psutil.Process().memory_info().rss / 2**20]))
"""

_IMPORTS = {
    "bare interpreter": "pass",
    "import azure.functions": "import azure.functions",
    "import function_app": "import function_app",
    "… and shared.application": "import function_app, shared.application",
}


async def run(console: Console) -> None:
    """Prints a table of imports, then the first request's times."""
    measured = {name: _import(statement) for name, statement in _IMPORTS.items()}
    bare_seconds, bare_memory = measured["bare interpreter"]
    peer = measured["import azure.functions"][0] - bare_seconds
    table = Table("a new process that does", "ms over bare", "× azure.functions", "MB over bare")
    for name, (seconds, memory) in measured.items():
        over = seconds - bare_seconds
        table.add_row(
            name, f"{over * 1000:.0f}", f"{over / peer:.2f}", f"{memory - bare_memory:.0f}"
        )
    console.print(table, f"Median of {ROUNDS} processes each, run in turns.\n")
    await _first_request(console)


def _import(statement: str) -> tuple[float, float]:
    """Seconds and MB of a process, the median of several (the first one fills caches)."""
    times, memories = [], []
    for _ in range(ROUNDS + 1):
        done = subprocess.run(
            [sys.executable, "-c", _PROBE.format(statement=statement)],
            cwd=ROOT, capture_output=True, check=True, text=True,
        )  # fmt: skip
        seconds, memory = json.loads(done.stdout)
        times.append(seconds)
        memories.append(memory)
    return statistics.median(times[1:]), statistics.median(memories[1:])


async def _first_request(console: Console) -> None:
    stack = LocalStack()
    await stack.start_services()
    try:
        started = time.perf_counter()
        await stack.start_host()
        ready = time.perf_counter() - started
        indexed = _memory(stack)
        async with aiohttp.ClientSession(headers=stack.headers) as client:
            first, second = [await _post(stack, client) for _ in range(2)]
        table = Table("the host", "ms", "MB afterwards")
        table.add_row("starts the worker and indexes the app", f"{ready * 1000:.0f}", indexed)
        table.add_row("answers the first POST /api/messages", f"{first * 1000:.0f}", _memory(stack))
        table.add_row("answers the second", f"{second * 1000:.0f}", _memory(stack))
        console.print(table)
    finally:
        await stack.stop()


async def _post(stack: LocalStack, client: aiohttp.ClientSession) -> float:
    message = {
        "from": {"email": "billing@contoso.test"}, "to": [{"email": "ana@example.com"}],
        "subject": "Cold start", "text": "Hello",
    }  # fmt: skip
    started = time.perf_counter()
    async with client.post(f"{stack.url}/messages", json=message) as response:
        assert response.status == 202, await response.text()
    return time.perf_counter() - started


def _memory(stack: LocalStack) -> str:
    return f"{psutil.Process(stack.host.pid).memory_info().rss / 2**20:.0f}"
