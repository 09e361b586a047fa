"""The daily look, at a service that changes in the ways that real ones do."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from local.certificates import LocalAuthority
from local.contoso import APP_CLIENT_ID
from local.entra import EXCHANGE
from local.office365 import Fault
from shared.currency.changes import Change
from tests.currency.conftest import Service


@contextmanager
def few_capabilities() -> Iterator[None]:
    """For as long, the service offers less."""
    with pytest.MonkeyPatch.context() as patch:
        few = ("SIZE {size}", "DSN", "{security}", "8BITMIME")
        patch.setattr("local.office365.session._EXTENSIONS", few)
        yield


def the(changes: object, fact: str) -> Change:
    assert isinstance(changes, list)
    (change,) = (change for change in changes if change.fact == fact)
    assert isinstance(change, Change)
    return change


async def test_a_service_that_stays_the_same_is_no_news(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(4):  # another token, lifetime, date and session each time
            assert list(await service.look()) == []
    assert service.events == []
    assert "service " not in caplog.text
    assert service.office.counters.auths == 4


async def test_a_capability_that_is_gone_is_told_kept_and_alerted_on(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await service.look()
    with few_capabilities():
        changes = await service.look()
    change = the(changes, "capabilities before TLS")
    assert change.alert
    assert "CHUNKING" in change.old
    assert "CHUNKING" not in change.new
    assert change.meaning.startswith("Gone: BINARYMIME CHUNKING ENHANCEDSTATUSCODES PIPELINING ")
    lines = [r.getMessage() for r in caplog.records if "service changed" in r.getMessage()]
    assert lines[0].startswith("service changed: capabilities before TLS was '8BITMIME BINARYMIME ")
    events = service.events
    assert len(events) == len(lines) == 2  # before and after TLS
    event = events[0]
    assert isinstance(event, dict)
    assert event["type"] == "mailroom.service.changed"
    assert event["data"]["new"] == change.new
    # It is back: that state is known.
    assert list(await service.look()) == []
    assert service.events == events


async def test_a_state_that_was_seen_long_ago_is_news_again(service: Service) -> None:
    await service.look()
    with few_capabilities():
        assert the(await service.look(), "capabilities before TLS").alert
    back = the(await service.look(days=90), "capabilities before TLS")
    assert "New: BINARYMIME" in back.meaning


async def test_another_authority_is_an_alert(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.look()
    other = LocalAuthority(tmp_path)  # it trusts, by the environment, the first one as well
    for name, value in other.environment().items():
        monkeypatch.setenv(name, value)
    await service.exchange_office(other)
    changes = await service.look()
    change = the(changes, "certificate issuers")
    assert change.alert
    assert "TLS inspection" in change.meaning
    assert change.old != change.new


async def test_a_certificate_renewed_by_the_same_authority_is_noted_only(
    service: Service, authority: LocalAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    await service.look()
    for path in (authority.folder / "localhost.pem", authority.folder / "localhost.key"):
        path.unlink()
    await service.exchange_office(authority)
    with caplog.at_level(logging.INFO):
        changes = await service.look()
    assert "certificate fingerprint" in {change.fact for change in changes}
    assert not any(change.alert for change in changes)
    assert "service noted: certificate fingerprint was '" in caplog.text
    assert "service changed" not in caplog.text


async def test_tokens_that_live_half_as_long_are_an_alert(service: Service) -> None:
    await service.look()
    service.entra.tokens.life = timedelta(minutes=30)
    change = the(await service.look(), "token lifetime")
    assert (change.old, change.new) == ("60 to 90 minutes", "about 30 minutes")
    assert change.alert


async def test_a_role_that_was_added_is_an_alert(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await service.look()
    service.entra.directory.grant(APP_CLIENT_ID, EXCHANGE, "SMTP.SendAsApp", "full_access_as_app")
    change = the(await service.look(), "token roles")
    assert change.alert
    assert change.meaning.startswith("New: full_access_as_app. ")
    assert "eyJ" not in caplog.text + json.dumps(service.events)  # no token, nor a part of one


async def test_a_refused_sign_in_is_a_change_of_its_reply(service: Service) -> None:
    await service.look()
    refusal = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled"
    service.office.faults.add([Fault("auth", "reply", reply=refusal)])
    change = the(await service.look(), "sign-in reply")
    assert change.old.startswith("235 2.7.0")
    assert change.new == refusal


async def test_trouble_of_the_service_is_no_change(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await service.look()
    service.office.faults.add([Fault("auth", "reply", reply="432 4.3.2 Concurrent connections")])
    assert list(await service.look()) == []
    service.office.faults.add([Fault("greeting", "drop")])
    assert list(await service.look()) == []
    assert "service not looked at: localhost could not be looked at" in caplog.text
    assert list(await service.look()) == []
