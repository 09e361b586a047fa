"""Every fact of a look has a meaning when it changes, and what is remembered is bounded."""

from datetime import date, timedelta

from local.contoso import APP_CLIENT_ID
from shared.currency.changes import Memory, compare
from shared.currency.observation import observe_server, observe_token
from shared.delivery.session import SignIn, tls_context
from shared.delivery.submission import SubmissionServer
from tests.currency.conftest import Service

TODAY = date(2026, 11, 27)


async def test_every_fact_has_a_meaning(service: Service) -> None:
    app = service.entra.directory.app(APP_CLIENT_ID)
    token = service.entra.tokens.issue_to_app(
        app, "https://outlook.office365.com", ["SMTP.SendAsApp"], authentication="2"
    ).value
    server = SubmissionServer("localhost", service.office.smtp_port, "")
    sign_in = SignIn("billing@contoso.test", token)
    facts = {
        **await observe_server(server, sign_in, tls=tls_context(), timeout=10),
        **observe_token(token),
    }
    assert len(facts) > 18
    before = Memory(dict.fromkeys(facts, "something else"))
    _, changes = compare(before, facts, TODAY)
    assert {change.fact for change in changes} == set(facts)
    assert all(change.meaning.endswith((".", ")")) for change in changes)
    assert token not in str(changes)


def test_a_new_fact_and_a_missing_one_are_no_changes() -> None:
    memory, changes = compare(Memory(), {"greeting": "220 one"}, TODAY)
    assert changes == []
    memory, changes = compare(memory, {"TLS version": "TLSv1.3"}, TODAY)
    assert changes == []
    assert memory.last == {"greeting": "220 one", "TLS version": "TLSv1.3"}
    _, changes = compare(memory, {"greeting": "220 two"}, TODAY)
    assert [change.old for change in changes] == ["220 one"]


def test_a_fact_that_never_stays_the_same_does_not_fill_the_memory() -> None:
    memory = Memory()
    for number in range(50):
        memory, _ = compare(memory, {"greeting": f"220 {number}"}, TODAY + timedelta(days=number))
    assert len(memory.seen["greeting"]) < 10
    assert "220 49" in memory.seen["greeting"]
