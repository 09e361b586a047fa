"""`GET /api/quota`: the headroom after mail was sent."""

from tests.operations.conftest import BILLING, Office, read


async def test_the_headroom_tells_what_was_used(office: Office) -> None:
    people = [{"email": f"{name}@example.com"} for name in ("ana", "ben", "cleo")]
    await office.post(to=people)
    assert await office.deliver() == 1
    answer = await office.app.quota.get()
    view = read(answer)
    assert answer.status == 200
    (billing,) = [one for one in view["mailboxes"] if one["mailbox"] == BILLING]
    day = billing["recipients_24h"]
    assert (day["used"], day["left"]) == (3, day["limit"] - 3)
    assert billing["pause"] is None
    assert billing["connections"]["used"] <= billing["connections"]["limit"] == 3
