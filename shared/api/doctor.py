"""`/api/doctor`: an examination of what this app needs."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.api.answers import Answer, answer, json_answer
from shared.settings import Settings, process_environment

type SeverityName = Literal["ok", "note", "warning", "error"]


class DoctorFinding(BaseModel):
    """One thing that the doctor looked at."""

    model_config = ConfigDict(frozen=True)

    check: str = Field(description="Its stable name, such as `token.audience`.")
    severity: SeverityName
    subject: str = Field(description="What it is about, as a queue or a setting; empty: the whole.")
    detail: str = Field(description="What was seen.")
    cause: str
    fix: str


class DoctorView(BaseModel):
    """What the doctor found."""

    model_config = ConfigDict(frozen=True)

    worst: SeverityName = Field(description="The severity of the worst finding.")
    at: datetime
    findings: list[DoctorFinding]


class DoctorApi:
    """Examines on demand, with connections of its own."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock

    async def get(self) -> Answer:
        """200 with the findings, whatever they are."""
        return await answer(self._get)

    async def _get(self) -> Answer:
        # Loaded when somebody asks: the checks are no part of the app's start.
        from shared.doctor.examination import examine_settings  # noqa: PLC0415
        from shared.doctor.report import as_json  # noqa: PLC0415

        examination = await examine_settings(
            self._settings, process_environment(), clock=self._clock
        )
        return json_answer(200, as_json(examination))
