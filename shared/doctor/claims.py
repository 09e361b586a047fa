"""What stands in an access token. Nobody verifies it here: it is ours, and only looked at."""

import base64
import json
from collections.abc import Mapping
from typing import Any

_LONGEST = 64 * 1024  # characters


def read_claims(token: str) -> Mapping[str, Any] | None:
    """The claims of a JSON Web Token (RFC 7519); None if it is opaque."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST:  # noqa: PLR2004 (header, claims, signature)
        return None
    try:
        content = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def words(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """A claim that lists names: `roles` is a list, `scp` a text with spaces."""
    value = claims.get(name)
    if isinstance(value, str):
        return frozenset(value.split())
    return frozenset(str(item) for item in value) if isinstance(value, list) else frozenset()
