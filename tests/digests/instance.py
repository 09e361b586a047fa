"""An instance of the app that sends digests, in a process of its own: it can be killed.

`python -m tests.digests.instance MINUTES`: once, by a clock that is so far ahead. The settings come
from the environment.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from shared.application import Application
from shared.settings import load_settings


async def run(ahead: timedelta) -> None:
    app = Application(load_settings(), clock=lambda: datetime.now(UTC) + ahead)
    try:
        print("ready", flush=True)
        print(dict(await app.digests.sending.run()), flush=True)
    finally:
        await app.aclose()


if __name__ == "__main__":
    asyncio.run(run(timedelta(minutes=float(sys.argv[1]))))
