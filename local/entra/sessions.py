"""What outlives one token request: refresh tokens and device codes.

Refresh tokens are sealed records that the client keeps (so they survive a restart with the key);
only their rotation is remembered here. Sources: RFC 6749 section 6, RFC 8628 and
learn.microsoft.com/entra/identity-platform/refresh-tokens.
"""

import json
import secrets
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography.fernet import InvalidToken

from local.entra.directory import User
from local.entra.errors import EntraError
from local.entra.keys import SigningKeys

REFRESH_LIFE = timedelta(days=90)
DEVICE_CODE_LIFE = timedelta(minutes=15)
_PREFIX = "1."
# Letters and digits that are not mistaken for one another, as on Microsoft's page.
_USER_CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class RefreshGrant:
    """What a refresh token stands for."""

    client_id: str
    upn: str
    scopes: tuple[str, ...]
    issued_at: float
    token_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class RefreshTokens:
    """Issues and redeems refresh tokens; each redemption supersedes the token that was used.

    A superseded token stays good for `grace` after its first use; with a grace of zero it is
    refused at once.
    """

    def __init__(
        self,
        keys: SigningKeys,
        *,
        life: timedelta = REFRESH_LIFE,
        grace: timedelta = timedelta(minutes=5),
    ) -> None:
        self.life = life
        self.grace = grace
        self._keys = keys
        self._superseded: dict[str, datetime] = {}
        self._revoked: dict[str, datetime] = {}

    def issue(self, client_id: str, user: User, scopes: frozenset[str], now: datetime) -> str:
        grant = RefreshGrant(client_id, user.upn, tuple(sorted(scopes)), now.timestamp())
        return _PREFIX + self._keys.seal(json.dumps(asdict(grant)).encode())

    def redeem(self, token: str, client_id: str, now: datetime) -> RefreshGrant:
        """The grant of a token; raises EntraError 9002313, 700082, 50173 or 70008."""
        grant = self._open(token)
        if grant.client_id != client_id:
            raise EntraError(9002313)
        issued = datetime.fromtimestamp(grant.issued_at, UTC)
        if now - issued >= self.life:
            raise EntraError(700082, issued=issued.isoformat(), inactive=f"{now - issued}")
        if self._revoked.get(grant.upn.lower(), issued) > issued:
            raise EntraError(50173)
        first_use = self._superseded.get(grant.token_id)
        if first_use is not None and now - first_use >= self.grace:
            raise EntraError(70008)
        return grant

    def supersede(self, grant: RefreshGrant, now: datetime) -> None:
        """Note that a token was redeemed and another took its place."""
        self._superseded.setdefault(grant.token_id, now)

    def revoke(self, upn: str, now: datetime) -> None:
        """End all sessions of a user, as a changed password does (AADSTS50173)."""
        self._revoked[upn.lower()] = now

    def _open(self, token: str) -> RefreshGrant:
        if not token.startswith(_PREFIX) or not token.isascii():
            raise EntraError(9002313)
        try:
            content = json.loads(self._keys.unseal(token.removeprefix(_PREFIX)))
        except InvalidToken as error:
            raise EntraError(9002313) from error
        return RefreshGrant(**content | {"scopes": tuple(content["scopes"])})


@dataclass(slots=True)
class DeviceLogin:
    """One sign-in by device code, from its start to its redemption."""

    client_id: str
    scope: str
    user_code: str
    expires_at: datetime
    device_code: str = field(repr=False)
    state: Literal["pending", "approved", "declined"] = "pending"
    upn: str | None = None


class DeviceLogins:
    """The device codes that wait for a user or for their redemption. `interval` in seconds."""

    def __init__(self, *, life: timedelta = DEVICE_CODE_LIFE, interval: int = 5) -> None:
        self.life = life
        self.interval = interval
        self._by_device_code: dict[str, DeviceLogin] = {}

    def begin(self, client_id: str, scope: str, now: datetime) -> DeviceLogin:
        login = DeviceLogin(
            client_id=client_id,
            scope=scope,
            user_code="".join(secrets.choice(_USER_CODE_ALPHABET) for _ in range(9)),
            expires_at=now + self.life,
            device_code=secrets.token_urlsafe(48),
        )
        waiting = {k: v for k, v in self._by_device_code.items() if v.expires_at + self.life > now}
        self._by_device_code = waiting | {login.device_code: login}
        return login

    def find(self, user_code: str) -> DeviceLogin | None:
        for login in self._by_device_code.values():
            if login.user_code == user_code.strip().upper():
                return login
        return None

    def redeem(self, device_code: str, client_id: str, now: datetime) -> DeviceLogin:
        """The approved sign-in, once; raises EntraError 70018, 70020, 70016 or 65004."""
        login = self._by_device_code.get(device_code)
        if login is None or login.client_id != client_id:
            raise EntraError(70018)
        if login.expires_at <= now:
            raise EntraError(70020)
        if login.state == "pending":
            raise EntraError(70016)
        del self._by_device_code[device_code]
        if login.state == "declined":
            raise EntraError(65004)
        return login
