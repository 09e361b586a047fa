"""What proves a link's address and its one-time code: signatures with Mailroom's keys."""

import hashlib
import ipaddress
import re
from typing import Protocol

from shared.errors import MailroomError

# Purposes: a signature for one is none for another.
LINK = "mailroom.link"
CODE = "mailroom.link-code"
SEAL = "mailroom.link-seal"
NETWORK = "mailroom.network"

CODE_DIGITS = 6

_TOKEN = re.compile(r"([0-9a-f]{24})\.[A-Za-z0-9_-]{20,100}")


class Signing(Protocol):
    """Signs short texts with the newest key, and verifies with all that are enabled.

    `sign` gives `text.signature` in URL-safe characters, None where no key can be had; `verify`
    the text, None for what is no signature.
    """

    async def sign(self, purpose: str, text: str) -> str | None: ...

    async def verify(self, purpose: str, signed: str) -> str | None: ...


class NoKeyError(MailroomError):
    """Nothing can be signed."""


class Seals:
    """Makes and checks the proofs."""

    def __init__(self, signing: Signing) -> None:
        self._signing = signing

    async def token(self, link_id: str) -> str:
        """What stands in a link's address. Raises NoKeyError."""
        return await self._sign(LINK, link_id)

    async def read_token(self, token: str) -> str | None:
        """The id in a token that is whole and ours, else None."""
        if not _TOKEN.fullmatch(token):
            return None
        return await self._signing.verify(LINK, token)

    async def code(self, link_id: str) -> str:
        """The one-time code of a link: digits that follow from its id and the key alone, so that
        it is stored nowhere and the same when a message is repeated. Raises NoKeyError."""
        signed = await self._sign(CODE, link_id)
        number = int.from_bytes(hashlib.sha256(signed.encode()).digest())
        return f"{number % 10**CODE_DIGITS:0{CODE_DIGITS}d}"

    async def seal(self, link_id: str, code: str) -> str:
        """What proves a code later on, when the key may be another, and does not tell it."""
        signed = await self._sign(SEAL, f"{link_id}:{code}")
        return signed.rpartition(".")[2]

    async def is_code(self, link_id: str, code: str, seal: str) -> bool:
        """Whether this is the code that was sealed."""
        if not re.fullmatch(rf"[0-9]{{{CODE_DIGITS}}}", code, re.ASCII):
            return False
        return await self._signing.verify(SEAL, f"{link_id}:{code}.{seal}") is not None

    async def network(self, address: str) -> str:
        """A short mark of the network (/24, /48) that an address is in: equal marks tell that two
        visits came from one network, and not from which. "" for what is no address."""
        try:
            ip = ipaddress.ip_address(address)
            length = 24 if ip.version == 4 else 48  # noqa: PLR2004
            network = ipaddress.ip_network(f"{ip}/{length}", strict=False)
        except ValueError:
            return ""
        signed = await self._signing.sign(NETWORK, str(network))
        return hashlib.sha256(signed.encode()).hexdigest()[:8] if signed else ""

    async def _sign(self, purpose: str, text: str) -> str:
        signed = await self._signing.sign(purpose, text)
        if signed is None:
            raise NoKeyError(
                "Secure links cannot be made or checked: there is no key to sign them with.",
                fix="Set MAILROOM_KEY_VAULT_URL, and store a signing key of 32 or more random "
                "characters in that Key Vault.",
            )
        return signed
