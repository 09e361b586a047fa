"""Signing and sealing with keys that are given, as the app signs with those of its Key Vault."""

import hashlib

from itsdangerous import BadSignature, Signer

from shared.accounts.sealing import seal, unseal


class FixedKeys:
    """keys: oldest first; the newest signs, all verify."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)

    def _signer(self, purpose: str) -> Signer:
        return Signer(self.keys, salt=purpose, key_derivation="hmac", digest_method=hashlib.sha256)

    async def sign(self, purpose: str, text: str) -> str | None:
        return self._signer(purpose).sign(text).decode() if self.keys else None

    async def verify(self, purpose: str, signed: str) -> str | None:
        try:
            return self._signer(purpose).unsign(signed).decode() if self.keys else None
        except BadSignature:
            return None

    async def seal(self, purpose: str, content: bytes) -> bytes | None:
        return seal(self.keys, purpose, content) if self.keys else None

    async def unseal(self, purpose: str, sealed: bytes) -> bytes | None:
        return unseal(self.keys, purpose, sealed)
