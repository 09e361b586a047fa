"""Tokens for the app itself: the OAuth 2.0 client credentials grant (RFC 6749 section 4.4)."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from shared.accounts.aadsts import REPLACEABLE
from shared.accounts.credential import Proof, ProofSource
from shared.accounts.entra import Entra, Grant, read_grant
from shared.accounts.flights import Backoff
from shared.errors import CredentialError


class ApplicationFlow:
    """One token for each scope, the same for all mailboxes.

    A secret or certificate that Entra has refused is not shown to it again for a while, however
    often tokens are asked for; Key Vault is looked at instead, and a new version tried at once.
    """

    def __init__(
        self,
        entra: Entra,
        client_id: str,
        proofs: ProofSource,
        *,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._entra = entra
        self._client_id = client_id
        self._proofs = proofs
        self._clock = clock
        self._refused: Proof | None = None
        self._backoff = Backoff(30.0, 600.0, chance)

    def owner(self, mailbox: str) -> str:  # noqa: ARG002 - the app's token serves every mailbox
        return ""

    async def fetch(self, scope: str, mailbox: str) -> Grant:  # noqa: ARG002 - as above
        proof = await self._proofs.current()
        refusal = self._remembered(proof)
        if refusal is None:
            outcome = await self._present(proof, scope)
            if isinstance(outcome, Grant):
                return outcome
            refusal = outcome
        newer = await self._proofs.newer(proof)
        if newer is None:
            raise refusal
        outcome = await self._present(newer, scope)
        if isinstance(outcome, Grant):
            return outcome
        raise outcome

    def guards(self, error: CredentialError) -> bool:
        return error.code in REPLACEABLE

    async def _present(self, proof: Proof, scope: str) -> Grant | CredentialError:
        """The grant, or the error if a newer version of the secret may be its cure."""

        def converse(keywords: Mapping[str, Any]) -> Mapping[str, Any] | None:
            from msal import ConfidentialClientApplication  # noqa: PLC0415 - 250 ms at import

            application = ConfidentialClientApplication(
                self._client_id, client_credential=proof.client_credential, **keywords
            )
            answer: Mapping[str, Any] = application.acquire_token_for_client([scope])
            return answer

        try:
            grant = read_grant(await self._entra.ask(converse))
        except CredentialError as error:
            if error.code not in REPLACEABLE or proof.secret is None:
                raise
            self._refused = proof
            self._backoff.fail(self._clock(), error)
            return error
        self._refused = None
        self._backoff.clear()
        return grant

    def _remembered(self, proof: Proof) -> CredentialError | None:
        if self._refused is None or self._refused.secret != proof.secret:
            return None
        return self._backoff.refusal(self._clock())
