"""A session of Mailroom's with Postfix, which offers PIPELINING and CHUNKING."""

from datetime import timedelta
from email import message_from_bytes

import pytest

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, APP_OBJECT_ID, TENANT_ID
from local.entra import App, SigningKeys, TokenIssuer
from shared.delivery.session import Mail, SignIn, open_session
from shared.delivery.submission import SubmissionServer
from tests.peers.dovecot import EXCHANGE_AUDIENCE
from tests.peers.mail import MailPeers

BILLING, ANA, BO = "billing@contoso.test", "ana@contoso.test", "bo@contoso.test"
CONTENT = b"Date: Tue, 01 Dec 2026 08:00:00 +0000\r\nSubject: %d\r\n\r\n.\r\n..dots\r\n"


@pytest.fixture(scope="module")
def token(running_peers: MailPeers) -> str:
    keys = SigningKeys()
    running_peers.trust(keys.kid, keys.public_key_pem)
    issuer = TokenIssuer(keys, TENANT_ID, life=timedelta(hours=1))
    app = App(APP_CLIENT_ID, "Mailroom", APP_OBJECT_ID)
    roles = ["SMTP.SendAsApp"]
    return issuer.issue_to_app(app, EXCHANGE_AUDIENCE, roles, authentication="1").value


async def test_postfix_takes_mails_in_one_flight(
    peers: MailPeers, authority: LocalAuthority, token: str
) -> None:
    server = SubmissionServer(peers.host, peers.smtp_port, scope="")
    session = await open_session(
        server, SignIn(BILLING, token), tls=authority.client_context(), timeout=10
    )
    assert session._extensions.pipelining
    assert session._extensions.chunking
    nobody = "nobody@contoso.test"
    for number in range(2):
        refused = await session.hand_over(Mail(BILLING, (nobody,), CONTENT % number))
        assert refused.accepted is False
        assert refused.refused[nobody].status == "5.1.1"
        partial = await session.hand_over(Mail(BILLING, (ANA, nobody, BO), CONTENT % number))
        assert partial.accepted, partial
        assert list(partial.refused) == [nobody]
    assert await session.check()
    await session.aclose()
    assert session._chunking.name == "PROVEN"
    for mailbox in (ANA, BO):
        received = [message_from_bytes(raw) for raw in peers.fetch(mailbox, token, at_least=2)]
        assert sorted(one["Subject"] for one in received) == ["0", "1"]
        assert {one.get_payload() for one in received} == {".\r\n..dots\r\n"}
