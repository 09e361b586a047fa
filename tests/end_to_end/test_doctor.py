"""The doctor, asked in a function app that runs."""

from tests.end_to_end.caller import Caller


async def test_the_app_examines_itself(caller: Caller) -> None:
    reply = await caller.request("GET", "doctor")
    assert reply.status == 200
    severities = {(f["check"], f["subject"]): f["severity"] for f in reply.json["findings"]}
    assert severities["identity.token", "44444444-4444-4444-4444-444444444444"] == "ok"
    assert severities["token.audience", "https://outlook.office365.com"] == "ok"
    assert severities["vault.credential", "mailroom-credential"] == "ok"
    assert severities["storage.table", ""] == "ok"


async def test_only_who_has_the_key_may_ask(caller: Caller) -> None:
    reply = await caller.request("GET", "doctor", headers={"x-functions-key": ""})
    assert reply.status == 401
