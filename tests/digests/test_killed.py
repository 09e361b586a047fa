"""Two instances at work in processes of their own, one of which is killed."""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

from tests.digests.conftest import Desk, item

ROOT = Path(__file__).parents[2]
RECIPIENTS = 120
PATIENCE = 120.0


async def start(desk: Desk) -> asyncio.subprocess.Process:
    environment = {**os.environ, **desk.office.services.app_settings()}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.digests.instance", "61",
        cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def recorded(desk: Desk) -> int:
    return len(await desk.office.keys("message-"))


async def test_one_of_two_instances_is_killed(desk: Desk) -> None:
    people = [f"p{n}@example.com" for n in range(RECIPIENTS)]
    for first in range(0, RECIPIENTS, 100):
        await desk.add(item("one", *people[first : first + 100]))
    survivor, victim = await start(desk), await start(desk)
    async with asyncio.timeout(PATIENCE):
        for process in (survivor, victim):
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        while await recorded(desk) < RECIPIENTS // 5:
            assert victim.returncode is None
            await asyncio.sleep(0.05)
        victim.kill()
        await victim.wait()
        output, _ = await survivor.communicate()
    assert (survivor.returncode, b"sent" in output) == (0, True)
    await desk.pass_time(minutes=61)
    await desk.pass_time(minutes=3)  # leases of the killed one are over
    await desk.office.app.reconciliation.run()
    assert Counter(mail.to for mail in await desk.mails()) == Counter(people)
