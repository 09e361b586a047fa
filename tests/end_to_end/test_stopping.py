"""Stopping: what is in flight ends well, and nothing of the stack is left."""

import asyncio
import json
import socket
import time
from pathlib import Path

import psutil
import pytest

from local.functions.process import HostStartError
from local.stack import LocalStack, StackOptions
from shared.application import Application
from shared.settings import load_settings
from tests.end_to_end.branch import Branch
from tests.end_to_end.caller import Json, arrival, calling, mail_of, message
from tests.end_to_end.faults import OpenBranch

HELD_BACK = 1.5  # seconds that the server takes for its last reply


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def left_since(before: set[psutil.Process]) -> set[psutil.Process]:
    """What runs now and did not run before. Other fixtures' mail servers start and end processes
    of their own at any time: those are theirs."""
    left = set()
    for process in children() - before:
        try:
            if not before.intersection(process.parents()):
                left.add(process)
        except psutil.NoSuchProcess:
            continue
    return left


async def read_view(settings: dict[str, str], message_id: str) -> Json:
    """What storage says of a message, with no host running."""
    application = Application(load_settings(settings))
    try:
        answer = await application.messages.get(message_id)
    finally:
        await application.aclose()
    assert answer.status == 200
    content: Json = json.loads(answer.body)
    return content


async def test_what_is_in_flight_at_sigterm_ends_well(open_branch: OpenBranch) -> None:
    """Three sessions wait for the server's last word when the host is told to stop."""
    async with open_branch() as branch:
        stack = branch.stack
        fault = {
            "stage": "end-of-data",
            "action": "accept-and-hang",
            "seconds": HELD_BACK,
            "times": 3,
        }
        await branch.steer("POST", "faults", fault)
        ids = [await branch.send(message()) for _ in range(3)]
        for message_id in ids:
            await arrival(stack, message_id)
        began = time.monotonic()
        assert await stack.host.stop() == 0
        assert time.monotonic() - began < HELD_BACK + 5
        for message_id in ids:
            view = await read_view(stack.settings, message_id)
            assert view["status"] == "sent"
            assert view["server_id"] == mail_of(stack, message_id).message_id
        assert "abandoned" not in stack.host.log()


async def test_after_stop_nothing_is_left(stack: LocalStack) -> None:
    before = children()
    branch = Branch(stack, StackOptions())
    await branch.start()
    mine, folder = children() - before, branch.folder
    assert len(mine) >= 2  # Azurite's node and the Functions host
    assert (folder / "functions-keys.json").exists()
    await branch.stop()
    assert psutil.wait_procs(mine, timeout=5)[1] == []
    assert not folder.exists()
    await branch.stop()  # again, without harm


async def test_a_start_that_fails_leaves_nothing() -> None:
    """The host's port is taken: by then storage and all services run."""
    before = children()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = LocalStack(StackOptions(port=port))
        with pytest.raises(HostStartError, match=f"{port}.*cannot be used"):
            await stack.start()
    assert left_since(before) == set()
    assert not stack.folder.exists()
    for other in (stack.entra.port, stack.vault.port, stack.office365.smtp_port):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", other)


async def test_a_start_that_is_interrupted_leaves_nothing(stack: LocalStack) -> None:
    """Ctrl-C while the Functions host imports the app."""
    before = children()
    branch = Branch(stack, StackOptions())
    starting = asyncio.create_task(branch.start())
    while not (hasattr(branch, "host") and branch.host.running):
        await asyncio.sleep(0.01)
        assert not starting.done()
    mine = children() - before
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert len(mine) >= 2
    assert left_since(before) == set()
    assert not branch.folder.exists()


async def test_a_stack_with_a_folder_goes_on_where_it_was(tmp_path: Path) -> None:
    """As `make run` does: storage, certificates and keys outlive it."""
    options = StackOptions(folder=tmp_path / "stack")
    async with LocalStack(options) as stack, calling(stack) as caller:
        first = await caller.finished(await caller.send(message(), "kept"))
        headers = stack.headers
    async with LocalStack(options) as stack, calling(stack) as caller:
        assert stack.headers == headers
        assert await caller.view(first["id"]) == first
        assert await caller.send(message(), "kept") == first["id"]
        view = await caller.finished(await caller.send(message()))
        assert view["status"] == "sent"
        assert len(stack.office365.messages) == 1
