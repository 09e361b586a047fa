"""The submission server of the delivery benchmark, in a process of its own until its input ends.

It takes the round-trip times (ms) as arguments and prints a line of JSON: a port for each of them,
the certificate to trust, and an access token.
"""

import asyncio
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, MAILBOXES, TENANT_ID
from local.office365 import Limits, Mailbox, Office365Server


async def serve(rtts: list[int], folder: Path) -> None:
    """Serve until standard input ends."""
    authority = LocalAuthority(folder)
    key = rsa.generate_private_key(65537, 2048)
    servers = {
        rtt: Office365Server(
            authority, key.public_key(), mailboxes=[Mailbox(name) for name in MAILBOXES],
            limits=Limits.unlimited(), keep="ids", rtt=rtt / 1000,
        )
        for rtt in rtts
    }  # fmt: skip
    for server in servers.values():
        await server.start()
    claims = {
        "aud": "https://outlook.office365.com", "tid": TENANT_ID, "appid": APP_CLIENT_ID,
        "roles": ["SMTP.SendAsApp"], "exp": datetime(2100, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    about = {
        "ports": {str(rtt): server.smtp_port for rtt, server in servers.items()},
        "ca": str(authority.certificate_path),
        "token": jwt.encode(claims, key, "RS256"),
    }
    print(json.dumps(about), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for server in servers.values():
        await server.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mailroom-bench-") as temporary:
        asyncio.run(serve([int(argument) for argument in sys.argv[1:]], Path(temporary)))
