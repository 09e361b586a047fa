"""What is set up wrong: the message waits, says what to do, and goes out once that was done.

All of these messages wait at the same time, while other tests run: a first retry comes after
15 s ± 25 %.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from local.contoso import APP_CLIENT_ID
from tests.end_to_end.caller import Caller, Json, message

EXPIRED = "mailroom-expired"

type OpenBranch = Callable[..., AbstractAsyncContextManager[Caller]]


@dataclass(frozen=True)
class Fault:
    """One way to set Mailroom up wrong, and what an operator must be told of it.

    mend: what the operator then does.
    """

    sender: str
    detail: str
    fix: str
    mend: Callable[[Caller], Awaitable[None]]


async def switch_smtp_auth_on(caller: Caller) -> None:
    await caller.steer("PATCH", "mailboxes/closed@contoso.test", {"smtp_auth": True})


async def make_mailbox(caller: Caller) -> None:
    await caller.steer("PUT", "mailboxes/missing@contoso.test", {})


async def store_new_secret(caller: Caller) -> None:
    secret = caller.stack.entra.directory.add_secret(APP_CLIENT_ID)
    caller.stack.vault.store.set(EXPIRED, secret.value)


async def nothing(_: Caller) -> None:
    """The fault strikes once."""


FAULTS = {
    "a transient refusal": Fault(
        "billing@contoso.test", "451 4.7.0 Temporary server error", "", nothing
    ),
    "SMTP AUTH is off": Fault(
        "closed@contoso.test",
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled",
        "Set-CASMailbox -SmtpClientAuthenticationDisabled $false",
        switch_smtp_auth_on,
    ),
    "there is no such mailbox": Fault(
        "missing@contoso.test", "535 5.7.3", "the mailbox exists", make_mailbox
    ),
    "the client secret has expired": Fault(
        "billing@contoso.test",
        "AADSTS7000222: The client secret has expired",
        "a new version of the Key Vault secret that MAILROOM_CREDENTIAL_NAME names",
        store_new_secret,
    ),
}


@dataclass(frozen=True)
class Waiting:
    """A message that could not be sent at once, as it looked then."""

    caller: Caller
    id: str
    view: Json


@asynccontextmanager
async def meet_faults(caller: Caller, open_branch: OpenBranch) -> AsyncIterator[dict[str, Waiting]]:
    """Every message has met its fault and waits; then everything was mended."""
    async with AsyncExitStack() as branches:
        directory, store = caller.stack.entra.directory, caller.stack.vault.store
        secret = directory.add_secret(APP_CLIENT_ID)
        directory.expire_secret(APP_CLIENT_ID, secret.key_id)
        store.set(EXPIRED, secret.value)
        branch = await branches.enter_async_context(
            open_branch(MAILROOM_CREDENTIAL="secret", MAILROOM_CREDENTIAL_NAME=EXPIRED)
        )
        await caller.steer("PUT", "mailboxes/closed@contoso.test", {"smtp_auth": False})
        await caller.steer(
            "POST", "faults", {"stage": "rcpt", "action": "reply", "argument": "once@example.com"}
        )
        found: dict[str, Waiting] = {}
        for what, fault in FAULTS.items():
            asked = branch if "secret" in what else caller
            message_id = await asked.send(
                message(**{"from": {"email": fault.sender}, "to": [{"email": "once@example.com"}]})
            )
            view = await asked.until(message_id, lambda view: view["next_attempt_at"] is not None)
            found[what] = Waiting(asked, message_id, view)
            await fault.mend(asked)
        yield found
