"""`/api/health`: alive by itself, and each dependency with its latency."""

import asyncio

from shared.api.health import HealthApi
from shared.errors import MailroomError, StorageUnavailableError
from shared.messages.ledger import Ledger
from tests.api.conftest import value_of


async def fine() -> None:
    await asyncio.sleep(0.02)


async def away() -> None:
    raise StorageUnavailableError("Storage does not answer.", fix="Check the address.")


async def broken() -> None:
    raise RuntimeError("a secret")


async def silent() -> None:
    await asyncio.sleep(60)


async def test_alive_asks_nobody() -> None:
    answer = await HealthApi({"storage": broken}).alive()
    assert (answer.status, value_of(answer)) == (200, {"status": "alive"})
    assert answer.headers["Cache-Control"] == "no-store"


async def test_all_is_well(ledger: Ledger) -> None:
    answer = await HealthApi({"tables": ledger.ping, "queues": fine}).dependencies()
    value = value_of(answer)
    assert (answer.status, value["status"]) == (200, "ok")
    assert {name: state["status"] for name, state in value["dependencies"].items()} == {
        "tables": "ok", "queues": "ok",
    }  # fmt: skip
    assert value["dependencies"]["queues"]["latency_ms"] >= 15
    assert answer.headers["Cache-Control"] == "no-store"


async def test_what_fails_is_named_with_its_fix_beside_what_does_not() -> None:
    answer = await HealthApi({"tables": away, "queues": fine, "token": broken}).dependencies()
    value = value_of(answer)
    assert (answer.status, value["status"]) == (503, "failing")
    states = value["dependencies"]
    assert states["tables"]["status"] == "failing"
    assert states["tables"]["detail"] == "Storage does not answer."
    assert states["tables"]["fix"] == "Check the address."
    assert states["queues"]["status"] == "ok"
    assert states["token"]["status"] == "failing"
    assert "RuntimeError" in states["token"]["detail"]
    assert states["token"]["fix"]
    assert b"a secret" not in answer.body
    assert all(state["latency_ms"] >= 0 for state in states.values())


async def test_probes_run_side_by_side() -> None:
    meeting = asyncio.Barrier(20)  # nobody leaves before all have come

    async def met() -> None:
        await meeting.wait()

    answer = await HealthApi({str(n): met for n in range(20)}).dependencies()
    assert value_of(answer)["status"] == "ok"


async def test_silence_is_failing_too() -> None:
    api = HealthApi({"submission": silent, "queues": fine}, patience=0.05)
    value = value_of(await api.dependencies())
    assert value["dependencies"]["submission"]["status"] == "failing"
    assert "No answer in" in value["dependencies"]["submission"]["detail"]
    assert value["dependencies"]["submission"]["fix"]
    assert value["dependencies"]["queues"]["status"] == "ok"


async def test_an_error_without_advice_has_an_empty_fix() -> None:
    async def vague() -> None:
        raise MailroomError("Something.")

    value = value_of(await HealthApi({"x": vague}).dependencies())
    assert value["dependencies"]["x"]["fix"] == ""
