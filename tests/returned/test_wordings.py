"""How well servers are understood in words that nobody had read when the tables were written."""

import pytest

from shared.returned import HARD, Reason, Report, ReportedRecipient, parse_report
from shared.returned.bounce import describe
from tests.returned.replies import WORDINGS
from tests.returned.specimens import SPECIMENS, Specimen
from tests.returned.strangers import STRANGERS, Stranger
from tests.returned.verdicts import ALIVE, DEAD

_SAME_REASON = 0.88  # of all replies: what is left is a matter of taste ("filtered" or "policy")


def read(reply: str) -> ReportedRecipient:
    recipient = ReportedRecipient(address="a@b.test", action="failed")
    return describe(recipient, field="", diagnostic=reply, words="")


@pytest.mark.parametrize("reason", WORDINGS)
def test_whether_an_address_is_dead(reason: Reason) -> None:
    wrong = [(r, read(r).reason) for r in WORDINGS[reason] if read(r).hard != (reason in HARD)]
    assert wrong == []


def test_why_a_recipient_does_not_get_the_message() -> None:
    pairs = [(reason, reply) for reason, replies in WORDINGS.items() for reply in replies]
    right = sum(read(reply).reason == reason for reason, reply in pairs)
    assert right >= _SAME_REASON * len(pairs)


@pytest.mark.parametrize("reply", DEAD)
def test_dead(reply: str) -> None:
    assert read(reply).hard


@pytest.mark.parametrize("reply", ALIVE)
def test_alive(reply: str) -> None:
    assert not read(reply).hard


def told(report: Report) -> dict[str, bool]:
    return {recipient.address: recipient.hard for recipient in report.recipients}


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.name)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_specimens(specimen: Specimen, newline: bytes) -> None:
    report = parse_report(specimen.content.replace(b"\n", newline))
    assert report.kind in ("bounce", "delayed")
    assert told(report) == {address: hard for address, (hard, _) in specimen.expected.items()}
    for recipient in report.recipients:
        assert specimen.expected[recipient.address][1] in ("", recipient.status)


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda stranger: stranger.name)
def test_strangers(stranger: Stranger) -> None:
    report = parse_report(stranger.content)
    assert report.kind in ("auto-reply", "challenge", "other", "unsubscribe")
    assert report.recipients == ()
