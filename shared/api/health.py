"""`/api/health`: is Mailroom alive, and does everything answer that it needs?"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from shared.api.answers import Answer, answer, json_answer
from shared.errors import MailroomError

Probe = Callable[[], Awaitable[None]]

logger = logging.getLogger(__name__)


class HealthApi:
    """Probes are named; each returns, or raises what is wrong.

    patience: seconds for all of them; they run side by side.
    """

    def __init__(self, probes: Mapping[str, Probe], *, patience: float = 15) -> None:
        self._probes = probes
        self._patience = patience

    async def alive(self) -> Answer:
        """200: the process answers, and its settings can be used."""
        return json_answer(200, {"status": "alive"})

    async def dependencies(self) -> Answer:
        """200 or 503, with the state and latency of each dependency."""
        return await answer(self._dependencies)

    async def _dependencies(self) -> Answer:
        names = list(self._probes)
        states = await asyncio.gather(*(self._probe(self._probes[name]) for name in names))
        healthy = all(state["status"] == "ok" for state in states)
        return json_answer(
            200 if healthy else 503,
            {
                "status": "ok" if healthy else "failing",
                "dependencies": dict(zip(names, states, strict=True)),
            },
        )

    async def _probe(self, probe: Probe) -> dict[str, str | float]:
        started = time.perf_counter()
        state: dict[str, str | float] = {"status": "ok"}
        try:
            async with asyncio.timeout(self._patience):
                await probe()
        except MailroomError as error:
            state = {"status": "failing", "detail": error.detail, "fix": error.fix}
        except TimeoutError:
            detail = f"No answer in {self._patience} seconds."
            fix = "Check its address and that outbound traffic to it is allowed."
            state = {"status": "failing", "detail": detail, "fix": fix}
        except Exception as error:
            logger.exception("a probe failed unexpectedly")
            detail = f"{type(error).__name__} while asking."
            state = {"status": "failing", "detail": detail, "fix": "See the function app's log."}
        state["latency_ms"] = round((time.perf_counter() - started) * 1000, 1)
        return state
