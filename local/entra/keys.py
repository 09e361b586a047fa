"""The tenant's signing key: RS256 tokens, their check, and the JWKS that publishes the key."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.types import Options

from local.files import write_whole

ALGORITHM = "RS256"
# Times and audiences are judged by the reader with its own clock and its own error codes.
SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class SigningKeys:
    """One RSA key, made at first start and kept in `folder` if one is given.

    Tokens stay valid over a restart only where the key is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        path = folder / "entra-signing.key" if folder else None
        if path is not None and path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise ValueError(f"{path} is no RSA key: delete it and start again")
        else:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        if path is not None and not path.exists():
            write_whole(path, pem, private=True)
        self._key = key
        self._public = key.public_key()
        self._sealing = Fernet(base64.urlsafe_b64encode(hashlib.sha256(pem).digest()))
        der = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.kid = base64.urlsafe_b64encode(hashlib.sha256(der).digest()[:20]).rstrip(b"=").decode()

    @property
    def public_key_pem(self) -> str:
        """The public key in PEM, as Dovecot's local validation wants it."""
        return self._public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JSON Web Key Set (RFC 7517) of `/discovery/v2.0/keys`."""
        numbers = self._public.public_numbers()
        key = {
            "kty": "RSA",
            "use": "sig",
            "alg": ALGORITHM,
            "kid": self.kid,
            "x5t": self.kid,
            "n": _base64url_number(numbers.n),
            "e": _base64url_number(numbers.e),
        }
        return {"keys": [key]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWT of the claims."""
        headers = {"kid": self.kid, "x5t": self.kid}
        return jwt.encode(dict(claims), self._key, algorithm=ALGORITHM, headers=headers)

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that this key signed; raises jwt.InvalidTokenError if it did not.

        Only the signature is checked: times, issuer and audience are the caller's business.
        """
        return jwt.decode(token, self._public, algorithms=[ALGORITHM], options=SIGNATURE_ONLY)

    def seal(self, content: bytes) -> str:
        """Encrypt what a client keeps for us and must not read (a refresh token)."""
        return self._sealing.encrypt(content).decode()

    def unseal(self, sealed: str) -> bytes:
        """The content of `seal`; raises cryptography.fernet.InvalidToken if it is not ours."""
        return self._sealing.decrypt(sealed.encode())


def _base64url_number(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
