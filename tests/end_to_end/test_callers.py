"""Callers with tokens of Entra ID, before the whole stack: no function key opens anything."""

import json
import uuid
from typing import Any

import aiohttp
import pytest

from local.contoso import API_CLIENT_ID, MAILROOM_API
from local.entra import App
from local.stack import LocalStack
from shared.delivery_tests.remote import RemoteTests
from shared.errors import NotFoundError
from shared.remote import RemoteError
from shared.suppression.remote import RemoteSuppressions
from shared.templates.remote import RemoteTemplates
from tests.end_to_end.caller import ALERTS, BILLING, Caller, Reply, mail_of, message
from tests.end_to_end.faults import OpenBranch

SHOP, OPERATOR, STRANGER = (f"bbbbbbbb-0000-0000-0000-00000000000{n}" for n in (1, 2, 3))


async def bearer(stack: LocalStack, client_id: str, *roles: str) -> dict[str, str]:
    """An application of the tenant with these roles of the API, and its token, as a header."""
    directory = stack.entra.directory
    directory.add_app(App(client_id, "Caller", str(uuid.uuid4())))
    directory.grant(client_id, MAILROOM_API, *roles)
    form = {
        "grant_type": "client_credentials", "client_id": client_id,
        "client_secret": directory.add_secret(client_id).value,
        "scope": f"{MAILROOM_API.uris[0]}/.default",
    }  # fmt: skip
    url = f"{stack.entra.authority_url}/oauth2/v2.0/token"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=form, ssl=stack.authority.client_context()) as response,
    ):
        token = (await response.json())["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def post(branch: Caller, path: str, body: object, headers: dict[str, str]) -> Reply:
    headers = {**headers, "Content-Type": "application/json"}
    return await branch.request("POST", path, data=json.dumps(body), headers=headers)


def mail_from(sender: str, **changes: Any) -> dict[str, Any]:
    return message(**{"from": {"email": sender}, **changes})


async def by_the_tools(stack: LocalStack, shop: str, operator: str) -> None:
    """The command line takes a token wherever it takes a key."""
    token = operator.removeprefix("Bearer ")
    async with RemoteTemplates(stack.url, token, author="Ana") as templates:
        assert "notice" in await templates.names()
    async with RemoteSuppressions(stack.url, token, author="Ana") as suppressions:
        page, _ = await suppressions.export("", 10)
        assert page.startswith(b"address,")
    with pytest.raises(NotFoundError):
        async with RemoteTests(stack.url, token) as tests:
            await tests.get("none")
    async with RemoteSuppressions(
        stack.url, shop.removeprefix("Bearer "), author="Ana"
    ) as suppressions:
        with pytest.raises(RemoteError, match=r"Mail\.Admin"):
            await suppressions.export("", 10)
    async with RemoteTemplates(stack.url, stack.host.function_key, author="Ana") as templates:
        with pytest.raises(RemoteError) as refused:
            await templates.names()
        assert "token" in f"{refused.value.detail} {refused.value.fix}"


async def test_an_app_sends_with_its_token_as_itself_alone(open_branch: OpenBranch) -> None:
    settings = {
        "MAILROOM_API_AUTH": "entra",
        "MAILROOM_API_CLIENT_ID": API_CLIENT_ID,
        "MAILROOM_CALLERS": json.dumps({SHOP: [BILLING], OPERATOR: [ALERTS]}),
    }
    async with open_branch(**settings) as branch:
        stack = branch.stack
        shop = await bearer(stack, SHOP, "Mail.Send")
        operator = await bearer(stack, OPERATOR, "Mail.Admin")
        stranger = await bearer(stack, STRANGER)

        accepted = await post(branch, "messages", mail_from(BILLING), shop)
        assert accepted.status == 202, accepted.text
        message_id = accepted.json["id"]

        # The function key is sent along with every request; alone it opens nothing.
        keyed = await post(branch, "messages", mail_from(BILLING), {})
        assert (keyed.status, keyed.is_problem) == (401, True)
        assert keyed.headers["WWW-Authenticate"].startswith("Bearer ")
        assert (await branch.request("GET", "quota")).status == 401
        # Nor does a principal that nobody but the platform may name.
        forged = {"x-ms-client-principal": "e30=", "x-ms-client-principal-id": SHOP}
        assert (await branch.request("GET", "quota", headers=forged)).status == 401

        assert (await post(branch, "messages", mail_from(BILLING), stranger)).status == 403
        assert (await branch.request("GET", "quota", headers=shop)).status == 403
        assert (await branch.request("GET", "quota", headers=operator)).status == 200

        for who, sender in ((shop, ALERTS), (operator, BILLING)):
            refused = await post(branch, "messages", mail_from(sender), who)
            assert (refused.status, refused.is_problem) == (403, True)
            assert sender in refused.json["detail"]
            assert "MAILROOM_CALLERS" in refused.json["fix"]
        batch = {"messages": [mail_from(BILLING), mail_from(ALERTS)], "mode": "permissive"}
        assert (await post(branch, "messages/batch", batch, shop)).status == 403

        # A digest has an identity as well: who may not send as it neither defines nor fills it.
        items = {"items": [{"to": [{"email": "ana@example.com"}], "data": {"title": "A"}}]}
        for sender, status in ((BILLING, 403), (ALERTS, 201)):
            schedule = {"kind": "cron", "expression": "0 8 1 1 *"}
            definition = {"from": {"email": sender}, "title": "News", "schedule": schedule}
            put = await branch.request("PUT", "digests/news", json=definition, headers=operator)
            assert put.status == status, put.text
        assert (await post(branch, "digests/news/items", items, shop)).status == 403
        assert (await post(branch, "digests/news/items", items, operator)).status == 202

        # Each application has idempotency keys of its own.
        ids = set()
        for who, sender in ((shop, BILLING), (operator, ALERTS), (shop, BILLING)):
            given = {**who, "Idempotency-Key": "order-1042"}
            reply = await post(branch, "messages", mail_from(sender), given)
            assert reply.status == 202, reply.text
            ids.add(reply.json["id"])
        assert len(ids) == 2

        await by_the_tools(stack, shop["Authorization"], operator["Authorization"])
        for path in ("health", "openapi.json"):
            assert (await branch.request("GET", path)).status == 200

        branch.headers = shop
        assert (await branch.finished(message_id))["status"] == "sent"
        assert mail_of(stack, message_id)
