"""The peers themselves: that they accept and refuse what a real mail system does."""

import base64
import imaplib
import smtplib
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import psutil
import pytest

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID, APP_OBJECT_ID, TENANT_ID
from local.entra import App, SigningKeys, TokenIssuer, User
from tests.peers.dovecot import EXCHANGE_AUDIENCE
from tests.peers.mail import MailPeers, xoauth2

BILLING, ALERTS, ANA = "billing@contoso.test", "alerts@contoso.test", "ana@contoso.test"
MAILROOM = App(APP_CLIENT_ID, "Mailroom", APP_OBJECT_ID)
STRANGER = App("99999999-0000-0000-0000-000000000001", "Another", "99999999-0000-0000-0000-2")
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def keys(running_peers: MailPeers) -> SigningKeys:
    keys = SigningKeys()
    running_peers.trust(keys.kid, keys.public_key_pem)
    return keys


def app_token(
    keys: SigningKeys,
    app: App = MAILROOM,
    audience: str = EXCHANGE_AUDIENCE,
    life: timedelta = HOUR,
    tenant: str = TENANT_ID,
) -> str:
    issuer = TokenIssuer(keys, tenant, life=life)
    return issuer.issue_to_app(app, audience, ["SMTP.SendAsApp"], authentication="1").value


def user_token(keys: SigningKeys, mailbox: str) -> str:
    user = User(mailbox, "99999999-0000-0000-0000-000000000003", "Someone")
    issuer = TokenIssuer(keys, TENANT_ID, life=HOUR)
    scopes = ["SMTP.Send"]
    return issuer.issue_to_user(MAILROOM, user, EXCHANGE_AUDIENCE, scopes, authentication="0").value


@pytest.fixture(scope="module")
def token(keys: SigningKeys) -> str:
    return app_token(keys)


def connect(peers: MailPeers, authority: LocalAuthority) -> smtplib.SMTP:
    client = smtplib.SMTP(peers.host, peers.smtp_port, timeout=10)
    client.starttls(context=authority.client_context())
    client.ehlo()
    return client


def authenticate(client: smtplib.SMTP, mailbox: str, token: str) -> tuple[int, bytes]:
    response = base64.b64encode(xoauth2(mailbox, token)).decode()
    code, text = client.docmd("AUTH", f"XOAUTH2 {response}")
    return client.docmd("") if code == 334 else (code, text)


def invoice() -> EmailMessage:
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = f"Contoso Billing <{BILLING}>"
    message["To"] = ANA
    message["Subject"] = "Rechnung № 1042 — größer"
    message["Message-ID"] = "<1042@contoso.test>"
    message.set_content("Grüße\r\n.\r\n..dots\r\n")
    return message


def test_a_message_goes_in_by_smtp_and_comes_out_by_imap(
    peers: MailPeers, authority: LocalAuthority, token: str
) -> None:
    with connect(peers, authority) as client:
        assert {"auth", "dsn", "size", "pipelining"} <= client.esmtp_features.keys()
        assert "XOAUTH2" in client.esmtp_features["auth"]
        assert authenticate(client, BILLING, token)[0] == 235
        assert client.send_message(invoice(), to_addrs=[ANA, ALERTS]) == {}
    for mailbox in (ANA, ALERTS):
        [raw] = peers.fetch(mailbox, token)
        received = message_from_bytes(raw, policy=policy.SMTP)
        assert received["Subject"] == invoice()["Subject"]
        assert received["Return-Path"] == f"<{BILLING}>"
        assert received.get_content().splitlines() == ["Grüße", ".", "..dots"]
    assert peers.fetch(BILLING, token, at_least=0) == []


def test_plus_addresses_reach_their_mailbox(
    peers: MailPeers, authority: LocalAuthority, token: str
) -> None:
    with connect(peers, authority) as client:
        authenticate(client, BILLING, token)
        assert client.sendmail(BILLING, ["ana+u1@contoso.test"], invoice().as_bytes()) == {}
    assert len(peers.fetch(ANA, token)) == 1


def test_unknown_and_foreign_recipients_are_refused_at_rcpt(
    peers: MailPeers, authority: LocalAuthority, token: str
) -> None:
    with connect(peers, authority) as client:
        authenticate(client, BILLING, token)
        refused = client.sendmail(
            BILLING, [ANA, "nobody@contoso.test", "x@elsewhere.test"], invoice().as_bytes()
        )
    assert refused.keys() >= {"nobody@contoso.test"}
    assert refused["nobody@contoso.test"][0] == 550
    assert refused["nobody@contoso.test"][1].startswith(b"5.1.1 ")
    assert len(peers.fetch(ANA, token)) == 1


def test_a_sender_must_be_the_mailbox_that_signed_in(
    peers: MailPeers, authority: LocalAuthority, token: str
) -> None:
    with connect(peers, authority) as client:
        authenticate(client, BILLING, token)
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="not owned by user"):
            client.sendmail(ALERTS, [ANA], invoice().as_bytes())


def test_nothing_is_accepted_without_tls_or_without_a_token(
    peers: MailPeers, authority: LocalAuthority
) -> None:
    with smtplib.SMTP(peers.host, peers.smtp_port, timeout=10) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features
        assert client.docmd("MAIL", f"FROM:<{BILLING}>")[0] == 530
    with connect(peers, authority) as client:
        client.docmd("MAIL", f"FROM:<{BILLING}>")
        assert client.docmd("RCPT", f"TO:<{ANA}>")[0] == 554


@pytest.mark.parametrize("mailbox", [BILLING, ALERTS])
def test_a_delegated_token_opens_its_own_mailbox_alone(
    peers: MailPeers, authority: LocalAuthority, keys: SigningKeys, mailbox: str
) -> None:
    with connect(peers, authority) as client:
        code = authenticate(client, mailbox, user_token(keys, BILLING))[0]
    assert code == (235 if mailbox == BILLING else 535)


@pytest.mark.parametrize(
    "wrong", ["key", "expired", "audience", "tenant", "application", "mailbox", "no token"]
)
def test_a_wrong_token_is_refused(
    peers: MailPeers, authority: LocalAuthority, keys: SigningKeys, wrong: str
) -> None:
    mailbox, token = BILLING, app_token(keys)
    match wrong:
        case "key":
            token = app_token(SigningKeys())
        case "expired":
            token = app_token(keys, life=timedelta(minutes=-1))
        case "audience":
            token = app_token(keys, audience="https://graph.microsoft.com")
        case "tenant":
            token = app_token(keys, tenant="99999999-0000-0000-0000-000000000004")
        case "application":
            token = app_token(keys, app=STRANGER)
        case "mailbox":
            mailbox = "nobody@contoso.test"
        case "no token":
            token = "nothing.like.it"
    with connect(peers, authority) as client:
        assert authenticate(client, mailbox, token)[0] == 535


def test_a_wrong_token_does_not_open_a_mailbox(peers: MailPeers, keys: SigningKeys) -> None:
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        peers.fetch(BILLING, user_token(keys, ALERTS))


def test_stop_leaves_no_process_and_no_folder(authority: LocalAuthority, peers: MailPeers) -> None:
    before = set(psutil.Process().children(recursive=True))
    second = MailPeers(authority, [BILLING])
    mine = set(psutil.Process().children(recursive=True)) - before
    assert {process.name() for process in mine} >= {"dovecot", "master", "qmgr"}
    root = second.root
    second.stop()
    assert not root.exists()
    assert psutil.wait_procs(mine, timeout=5)[1] == []
