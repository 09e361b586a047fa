"""`make demo`: real messages through the whole stack, and proof of what became of each."""

import asyncio
import time

from local.demo.checks import Checks, console
from local.demo.digests import DigestDemo
from local.demo.returning import ReturningDemo
from local.demo.sending import SendingDemo
from local.stack import LocalStack, StackOptions


async def run_demo(*, keep: bool = False) -> int:
    """Returns 0 if everything was as expected, else 1."""
    import aiohttp

    started = time.perf_counter()
    stack, checks = LocalStack(StackOptions(identity_storage=True)), Checks()
    with console.status("Starting storage, Entra ID, Key Vault, Office 365 and the app …"):
        await stack.start()
    try:
        console.print(
            f"The stack is up after {time.perf_counter() - started:.1f} s.\n"
            f"  API    {stack.url}\n  Inbox  {stack.office365.inbox_url}\n"
        )
        keyed = [name for name, value in stack.settings.items() if stack.azurite.opens(value)]
        checks.expect(
            "storage is reached by the managed identity: no setting holds a key",
            holds=not keyed, seen=keyed,
        )  # fmt: skip
        async with aiohttp.ClientSession(headers=stack.headers) as client:
            sending = SendingDemo(stack, client, checks)
            await sending.send()
            await sending.wait()
            sending.show()
            await sending.check()
            await ReturningDemo(stack, client, checks).run()
            await DigestDemo(stack, client, checks).run()
        console.print(f"\nThat took {time.perf_counter() - started:.0f} s.")
        return await _finish(stack, checks, keep=keep)
    finally:
        await stack.stop()


async def _finish(stack: LocalStack, checks: Checks, *, keep: bool) -> int:
    if checks.failed:
        console.print(f"\n[red]{checks.failed} of the checks failed.[/] The app's log ends:")
        console.print(stack.host.log()[-3000:], markup=False)
        return 1
    console.print("\n[green]Everything was as expected.[/]")
    if keep:
        console.print(
            f"The inbox stays at {stack.office365.inbox_url} until Ctrl-C, with what came back at "
            f"{stack.office365.inbox_url}/returned."
        )
        await asyncio.Event().wait()
    console.print(
        "To look at the mail in the inbox page: [bold]make demo KEEP=1[/]; to play with the stack: "
        "[bold]make run[/]."
    )
    return 0
