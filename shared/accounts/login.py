"""`python -m shared.accounts.login`: signs a user in for the delegated flow.

The device authorization grant (RFC 8628): a code is typed in any browser, and the token cache
goes to Key Vault. No token is ever shown.
"""

import argparse
import asyncio
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.accounts.delegated import (
    CONTENT_TYPE,
    SIGN_IN_LIFE,
    CacheState,
    delegated_scope,
    merge_states,
    read_state,
    write_state,
)
from shared.accounts.entra import Entra
from shared.accounts.identity import azure_credential
from shared.accounts.keyvault import KeyVault
from shared.errors import ConflictError, CredentialError, MailroomError, SettingsError
from shared.settings import Settings, load_settings

_DEFAULT_SCOPE = "https://outlook.office365.com/.default"
_WRITES = 3


async def sign_in(
    settings: Settings,
    *,
    replace: bool = False,
    say: Callable[[str], None] = print,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> str:
    """Signs one user in and stores the token cache; returns the user's name.

    replace: forget whoever signed in before. say: shows one line to the person who signs in,
    called from a thread too.
    Raises MailroomError that names the fix.
    """
    _check(settings)
    identity = azure_credential(settings)
    vault = KeyVault(settings.key_vault_url, identity, clock=clock)
    try:
        name = settings.credential_name
        # First, so that a missing role shows before anyone types a code.
        await _stored(vault, name, replace=replace)
        state = await _converse(settings, say)
        user = _user(state)
        say(f"Signed in as {user}. Writing the token cache to Key Vault …")
        version = await _store(vault, name, state, replace=replace, clock=clock)
    finally:
        await vault.aclose()
        await identity.close()
    say(f"Done: {settings.key_vault_url}/secrets/{name}/{version}")
    say("The sign-in lasts as long as Mailroom uses it at least once in 90 days.")
    return user


def _check(settings: Settings) -> None:
    if settings.credential != "delegated":
        raise SettingsError(
            f"MAILROOM_CREDENTIAL is {settings.credential}: nobody needs to sign in.",
            fix="Set MAILROOM_CREDENTIAL=delegated to send in a user's name.",
            names=("MAILROOM_CREDENTIAL",),
        )


async def _converse(settings: Settings, say: Callable[[str], None]) -> CacheState:
    """The device flow, in a thread; what MSAL's cache then holds."""
    state: CacheState = {}
    ended = threading.Event()

    def converse(keywords: Mapping[str, Any]) -> Mapping[str, Any]:
        from msal import (  # noqa: PLC0415 - 250 ms at import
            PublicClientApplication,
            SerializableTokenCache,
        )

        tokens = SerializableTokenCache()
        application = PublicClientApplication(settings.client_id, token_cache=tokens, **keywords)
        scope = delegated_scope(settings.token_scope or _DEFAULT_SCOPE)
        flow: dict[str, Any] = application.initiate_device_flow([scope])
        if "user_code" not in flow:
            return flow
        say(f"Open {flow.get('verification_uri', 'https://microsoft.com/devicelogin')}")
        say(f"and enter the code {flow['user_code']} as the user of the mailbox. Waiting …")
        answer: Mapping[str, Any] = application.acquire_token_by_device_flow(
            flow, exit_condition=lambda flow: ended.is_set() or flow["expires_at"] < time.time()
        )
        state.update(read_state(tokens.serialize()))
        return answer

    try:
        outcome = await asyncio.to_thread(Entra(settings).converse, converse)
    finally:
        ended.set()  # the thread stops asking if this task is cancelled (Ctrl-C)
    if isinstance(outcome, CredentialError):
        raise outcome
    return state


async def _stored(vault: KeyVault, name: str, *, replace: bool) -> tuple[str, CacheState]:
    """The version and content of the secret as it is now; ("", empty) if there is none."""
    try:
        secret = await vault.secret(name)
        secret = await vault.refresh(name, secret)
    except CredentialError as error:
        if error.code != "secret_not_found":
            raise
        return "", read_state("")
    return secret.version, read_state("" if replace else secret.value)


async def _store(
    vault: KeyVault,
    name: str,
    state: CacheState,
    *,
    replace: bool,
    clock: Callable[[], datetime],
) -> str:
    """Adds the account to the stored cache. The app may be rotating it at the same moment."""
    conflict: ConflictError | None = None
    for _ in range(_WRITES):
        version, theirs = await _stored(vault, name, replace=replace)
        try:
            written = await vault.write(
                name,
                # Whatever was stored of this account before is older: the new sign-in wins.
                write_state(merge_states(theirs, state, theirs)),
                content_type=CONTENT_TYPE,
                replaces=version,
                expires_on=clock() + SIGN_IN_LIFE,
            )
        except ConflictError as error:
            conflict = error
        else:
            return written.version
    assert conflict is not None
    raise conflict


def _user(state: CacheState) -> str:
    for account in state["Account"].values():
        return str(account.get("username") or "an unnamed user")
    raise CredentialError(
        "Entra ID signed the user in but named no account.",
        fix="Sign in again; use a work account of the tenant.",
        code="no_account",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit status: 0 signed in, 1 refused, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="make login", description="Signs a user in so that Mailroom may send in their name."
    )
    parser.add_argument(
        "--replace", action="store_true", help="forget everyone who signed in before"
    )
    chosen = parser.parse_args(arguments)
    try:
        asyncio.run(sign_in(load_settings(), replace=chosen.replace))
    except MailroomError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's own output
        return 1
    except KeyboardInterrupt:
        print("Not signed in.", file=sys.stderr)  # noqa: T201 - as above
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
