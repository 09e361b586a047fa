"""Content: rendering a typical mail, and a batch's way from template and data to MIME.

The peer is the straightforward way: Jinja2 and mrml for each mail, premailer for the CSS,
inscriptis for the text, EmailMessage for MIME. Each side runs in processes of its own.
"""

import asyncio
import json
import subprocess
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from local.stack import ROOT

_SIDES = {
    "Mailroom": "mailroom",
    "Jinja2 + mrml + premailer": "straightforward",
    "Jinja2 + mrml + css-inline": "straightforward-css-inline",
}


async def run(console: Console) -> None:
    """Prints renders a second, then what a batch of 500 costs."""
    table = Table(
        "a MJML mail with 20 rows: renders a second", "first time", "again", "500 at once"
    )
    for title, side in _SIDES.items():
        measured = await asyncio.to_thread(_measure, "rendering", side)
        table.add_row(title, *(f"{measured[name]:,.0f}" for name in ("first", "again", "many")))
    console.print(
        table,
        "HTML with its CSS inlined, and plain text with its links, from data that is checked "
        "against a JSON Schema (Mailroom alone). First: a template that was never seen. Mailroom's "
        "figures hold the way to the process that renders and back.\n",
    )
    table = Table(
        "500 mails with a shared file of 1 MB", "CPU s", "ms a mail", "peak MB", "MB made"
    )
    for title, side in list(_SIDES.items())[:2]:
        measured = await asyncio.to_thread(_measure, "batch", side)
        table.add_row(
            title, f"{measured['cpu']:.2f}", f"{measured['cpu'] * 1000 / 500:.2f}",
            f"{measured['peak']:.0f}", f"{measured['made'] / 2**20:.0f}",
        )  # fmt: skip
    console.print(
        table,
        "From template and data to the octets of each mail, one after the other. CPU: user and "
        "system of the process and those it started; peak: of the sum of both.",
    )


def _measure(what: str, side: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.content_sides", what, side],
        cwd=ROOT, capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured
