"""What waited goes out by itself. These tests come late, so that nobody waits for them."""

import pytest

from tests.end_to_end.caller import mail_of
from tests.end_to_end.faults import FAULTS, Waiting


@pytest.mark.parametrize("what", FAULTS)
async def test_once_mended_it_goes_out_by_itself(waiting: dict[str, Waiting], what: str) -> None:
    one = waiting[what]
    view = await one.caller.finished(one.id, within=100)
    assert view["status"] == "sent", view
    assert view["attempts"] in {1, 2}  # a refused sign-in is no attempt of the message
    assert (view["detail"], view["fix"]) == ("", "")
    assert [event["type"] for event in view["timeline"]] == ["accepted", "deferred", "sent"]
    mail_of(one.caller.stack, one.id)
