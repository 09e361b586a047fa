"""Sending with clients that other people wrote, and who may send."""

import asyncio
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from local.certificates import LocalAuthority
from local.entra import EntraServer
from local.office365 import Mailbox, Office365Server, Tenant
from tests.local.office365.client import ALERTS, APP, BILLING, Dial, MakeToken, Serve, Wire

UNSUCCESSFUL = "535 5.7.3 Authentication unsuccessful"


def message(**fields: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = f"Contoso Billing <{BILLING}>"
    made["To"] = "ana@example.com"
    made["Subject"] = "Rechnung für Ana"
    made["Message-ID"] = "<1042@contoso.test>"
    for name, value in fields.items():
        del made[name]
        made[name] = value
    made.set_content("Hello.\n.\n..dots\nGrüße\n")
    return made


async def test_smtplib_sends(
    office: Office365Server, authority: LocalAuthority, make_token: MakeToken
) -> None:
    def send() -> tuple[set[str], set[str], dict[str, tuple[int, bytes]]]:
        with smtplib.SMTP("localhost", office.smtp_port, timeout=10) as client:
            client.ehlo()
            before = set(client.esmtp_features)
            client.starttls(context=authority.client_context())
            client.ehlo()
            after = set(client.esmtp_features)
            credentials = f"user={BILLING}\x01auth=Bearer {make_token()}\x01\x01"
            client.auth("XOAUTH2", lambda _=None: credentials)
            refused = client.send_message(
                message(), to_addrs=["ana@example.com", "unknown@example.com"]
            )
            return before, after, refused

    before, after, refused = await asyncio.to_thread(send)

    shared = {
        "size", "pipelining", "dsn", "enhancedstatuscodes", "8bitmime", "binarymime", "chunking",
        "smtputf8",
    }  # fmt: skip
    assert before == shared | {"starttls"}
    assert after == shared | {"auth"}
    assert refused["unknown@example.com"][0] == 550
    assert refused["unknown@example.com"][1].startswith(b"5.1.10 RESOLVER.ADR.RecipientNotFound")
    kept = office.messages[0]
    assert kept.message_id == kept.original_message_id == "<1042@contoso.test>"
    assert kept.mailbox == kept.sender == BILLING
    assert kept.app_id == APP
    assert kept.addresses == ("ana@example.com",)
    assert kept.tls_version in {"TLSv1.2", "TLSv1.3"}
    assert not kept.pipelining
    assert not kept.chunking
    assert not kept.has_bare_newlines
    assert kept.content == message().as_bytes().replace(b"\n", b"\r\n")
    assert office.counters.auths == office.counters.tls_handshakes == 1


async def test_aiosmtplib_sends_with_dsn_parameters(
    office: Office365Server, make_token: MakeToken
) -> None:
    client = aiosmtplib.SMTP(
        hostname="localhost", port=office.smtp_port, start_tls=True, timeout=10
    )
    await client.connect()
    await client.auth_xoauth2(BILLING, make_token())
    await client.mail(BILLING, options=["SIZE=1000", "RET=HDRS", "ENVID=a+2Bb"])
    await client.rcpt("ana@example.com", options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;ana@x"])
    reply = await client.data(message().as_bytes())
    await client.quit()

    assert reply.message.startswith("2.0.0 OK <1042@contoso.test> [Hostname=")
    kept = await office.wait_for(lambda one: one.sender == BILLING, 1)
    assert kept.parameters == {"SIZE": "1000", "RET": "HDRS", "ENVID": "a+2Bb"}
    assert kept.recipients[0].parameters == {
        "NOTIFY": "SUCCESS,FAILURE",
        "ORCPT": "rfc822;ana@x",
    }


async def test_tokens_of_the_local_entra_are_taken(
    serve: Serve, dial: Dial, entra: EntraServer, authority: LocalAuthority
) -> None:
    server = Office365Server(authority, entra.jwks, mailboxes=[Mailbox(BILLING)])
    await server.start()
    try:
        wire = await dial(server, "tls")
        header = {"kid": entra.jwks()["keys"][0]["kid"]}
        stranger = rsa.generate_private_key(65537, 2048)
        claims = {"aud": "https://outlook.office365.com", "tid": entra.directory.tenant_id}
        forged = jwt.encode({**claims, "exp": 4e9}, stranger, "RS256", headers=header)
        assert (await wire.login(forged)).startswith(UNSUCCESSFUL)
        secret = entra.directory.add_secret(APP)
        token = await client_credentials_token(entra, authority, secret)
        assert (await wire.login(token)).startswith("235 2.7.0")
    finally:
        await server.stop()


async def client_credentials_token(
    entra: EntraServer, authority: LocalAuthority, secret: object
) -> str:
    import aiohttp

    form = {
        "client_id": APP,
        "client_secret": getattr(secret, "value", secret),
        "grant_type": "client_credentials",
        "scope": "https://outlook.office365.com/.default",
    }
    url = f"{entra.url}/{entra.directory.tenant_id}/oauth2/v2.0/token"
    async with (
        aiohttp.ClientSession() as client,
        client.post(url, data=form, ssl=authority.client_context()) as answer,
    ):
        body = await answer.json()
    return str(body["access_token"])


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "https://graph.microsoft.com"}, "the audience is https://graph.microsoft.com"),
        ({"tid": "99999999-1111-1111-1111-111111111111"}, "the token is of tenant 9999"),
        ({"exp": datetime(2020, 1, 1, tzinfo=UTC)}, "the token has expired"),
        ({"nbf": 4_000_000_000}, "the token is not valid yet"),
        ({"exp": None}, "the token cannot be trusted"),
        ({"roles": None}, "the token has no role SMTP.SendAsApp"),
        ({"roles": ["Mail.Send"]}, "the token has no role SMTP.SendAsApp"),
        ({"roles": None, "scp": "Mail.Read", "upn": BILLING}, "lacks the scope SMTP.Send"),
        ({"roles": None, "scp": "SMTP.Send", "upn": "eve@contoso.test"}, "may not use this"),
    ],
)
async def test_unfit_tokens_are_refused(
    office: Office365Server, dial: Dial, make_token: MakeToken, claims: dict[str, Any], reason: str
) -> None:
    wire = await dial(office, "tls")

    reply = await wire.login(make_token(**claims))

    assert reply.startswith(f"{UNSUCCESSFUL} [")
    assert any(reason in given for given in office.counters.auth_refusals)
    assert (await wire.ask(b"MAIL FROM:<billing@contoso.test>")).startswith("530 5.7.57")


async def test_a_token_of_another_key_or_algorithm_is_refused(
    office: Office365Server, dial: Dial, make_token: MakeToken
) -> None:
    wire = await dial(office, "tls")
    stranger = rsa.generate_private_key(65537, 2048)
    claims = jwt.decode(make_token(), options={"verify_signature": False})
    unsigned = jwt.encode(claims, "", "none")

    assert (await wire.login(make_token(key=stranger))).startswith(UNSUCCESSFUL)
    assert (await wire.login(unsigned)).startswith(UNSUCCESSFUL)
    assert (await wire.login(make_token())).startswith("235 ")


@pytest.mark.parametrize("audience", ["https://outlook.office.com", "https://outlook.office.com/"])
async def test_both_audiences_are_taken(
    office: Office365Server, dial: Dial, make_token: MakeToken, audience: str
) -> None:
    wire = await dial(office, "tls")

    assert (await wire.login(make_token(aud=audience))).startswith("235 ")


async def test_rbac_for_applications_needs_no_role(
    serve: Serve, dial: Dial, make_token: MakeToken
) -> None:
    server = await serve(mailboxes=[Mailbox(BILLING, apps=(), rbac_apps=(APP,)), Mailbox(ALERTS)])
    wire = await dial(server, "tls")
    token = make_token(roles=None)

    assert (await wire.login(token, ALERTS)).startswith(UNSUCCESSFUL)
    assert (await wire.login(token)).startswith("235 ")
    assert (await send(wire)).startswith("250 2.0.0 OK")


async def test_with_the_role_the_mailbox_permission_is_asked_for(serve: Serve, dial: Dial) -> None:
    server = await serve(mailboxes=[Mailbox(BILLING, apps=(), rbac_apps=(APP,))])
    wire = await dial(server)

    assert (await send(wire)).startswith("430 4.2.0 STOREDRV; mailbox logon failure")
    assert server.messages == ()


async def test_delegated_tokens(serve: Serve, dial: Dial, make_token: MakeToken) -> None:
    server = await serve(mailboxes=[Mailbox(BILLING, apps=(), delegates=("Ana@contoso.test",))])
    own = await dial(server, "tls")
    shared = await dial(server, "tls")

    token = make_token(roles=None, scp="SMTP.Send offline_access", upn=BILLING)
    assert (await own.login(token)).startswith("235 ")
    token = make_token(roles=None, scp="SMTP.Send", upn="ana@contoso.test")
    assert (await shared.login(token)).startswith("235 ")
    assert (await send(shared)).startswith("250 2.0.0 OK")


async def test_the_service_principals_object_id_counts(
    serve: Serve, dial: Dial, make_token: MakeToken
) -> None:
    server = await serve(tenant=Tenant(service_principals={APP: "enterprise-object"}))
    wire = await dial(server, "tls")

    assert (await wire.login(make_token(oid="registration-object"))).startswith(UNSUCCESSFUL)
    assert (await wire.login(make_token(oid="enterprise-object"))).startswith("235 ")


async def test_smtp_auth_is_switched_off_and_on(
    serve: Serve, dial: Dial, make_token: MakeToken
) -> None:
    server = await serve(mailboxes=[Mailbox(BILLING, smtp_auth=False)])
    wire = await dial(server, "tls")

    reply = await wire.login(make_token())
    assert reply.startswith(
        "535 5.7.139 Authentication unsuccessful, "
        "SmtpClientAuthentication is disabled for the Mailbox."
    )
    server.exchange.put_mailbox(Mailbox(BILLING))
    assert (await wire.login(make_token())).startswith("235 ")


async def test_smtp_auth_off_for_the_tenant(
    serve: Serve, dial: Dial, make_token: MakeToken
) -> None:
    server = await serve(tenant=Tenant(smtp_auth=False))
    wire = await dial(server, "tls")

    reply = await wire.login(make_token())
    assert "SmtpClientAuthentication is disabled for the Tenant." in reply


async def test_unknown_mailbox_and_any_case(
    office: Office365Server, dial: Dial, make_token: MakeToken
) -> None:
    wire = await dial(office, "tls")

    assert (await wire.login(make_token(), "nobody@contoso.test")).startswith(UNSUCCESSFUL)
    assert (await wire.login(make_token(), "Billing@Contoso.Test")).startswith("235 ")


async def test_passwords_are_refused(office: Office365Server, authority: LocalAuthority) -> None:
    def try_password() -> smtplib.SMTPAuthenticationError:
        with smtplib.SMTP("localhost", office.smtp_port, timeout=10) as client:
            client.starttls(context=authority.client_context())
            with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
                client.login(BILLING, "a password")
            return caught.value

    error = await asyncio.to_thread(try_password)
    assert error.smtp_code == 535
    assert b"5.7.139 Authentication unsuccessful, basic authentication is disabled." in (
        error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
    )


async def test_send_as(serve: Serve, dial: Dial) -> None:
    server = await serve(mailboxes=[Mailbox(BILLING, send_as=("info@contoso.test",))])
    wire = await dial(server)

    denied = "554 5.2.252 SendAsDenied; billing@contoso.test not allowed to send as {}; STOREDRV"
    assert (await send(wire, b"From: Info <INFO@contoso.test>")).startswith("250 ")
    reply = await send(wire, b"From: eve@contoso.test")
    assert reply.startswith(denied.format("eve@contoso.test"))
    reply = await send(wire, b"From: billing@contoso.test, eve@contoso.test")
    assert reply.startswith(denied.format("eve@contoso.test"))
    reply = await send(wire, b"From: billing@contoso.test", sender=b"boss@contoso.test")
    assert reply.startswith(denied.format("boss@contoso.test"))
    assert (await send(wire, b"From: billing@contoso.test", sender=b"")).startswith("250 ")
    assert (await send(wire, b"From: <<broken")).startswith("554 5.2.252")
    assert len(server.messages) == 2


async def test_message_ids(serve: Serve, dial: Dial) -> None:
    server = await serve(tenant=Tenant(replaces_message_ids=True))
    wire = await dial(server)

    reply = await send(wire, b"Message-ID:\r\n <mine@contoso.test>")

    kept = server.messages[0]
    assert kept.original_message_id == "<mine@contoso.test>"
    assert kept.message_id != kept.original_message_id
    assert f"OK {kept.message_id} [" in reply


async def test_a_message_without_an_id_gets_one(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office)

    reply = await send(wire, b"Subject: none")

    assert office.messages[0].original_message_id is None
    assert f"OK {office.messages[0].message_id} [" in reply


async def test_tls_below_1_2_is_refused(office: Office365Server, dial: Dial) -> None:
    wire = await dial(office, "ehlo")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 "):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 "):
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await wire.secure(context)
    assert office.counters.tls_handshakes == 0


async def send(wire: Wire, *fields: bytes, sender: bytes = BILLING.encode()) -> str:
    replies = await wire.say(b"MAIL FROM:<%b>" % sender, b"RCPT TO:<ana@example.com>", b"DATA")
    assert [one[:3] for one in replies] == ["250", "250", "354"]
    header = b"\r\n".join(fields or (b"Subject: hello",))
    return await wire.ask(header + b"\r\n\r\nHello\r\n.")
