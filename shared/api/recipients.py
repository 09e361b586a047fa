"""`/api/preferences`: what a recipient wishes."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from shared.api.answers import Answer, answer, json_answer
from shared.api.requests import read_request
from shared.api.topics import check_language
from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.fields import Email
from shared.preferences import (
    PreferenceChange,
    PreferenceError,
    Preferences,
    RecipientPreferences,
)
from shared.setting_values import time_zone_name
from shared.suppression import AddressError, is_topic, normalise


def _topic_name(value: str) -> str:
    if not is_topic(value):
        raise ValueError("It is no topic: lower-case letters, digits, dots, hyphens, 63 at most.")
    return value


def _zone(value: str) -> str:
    return time_zone_name(value) if value else ""


_Topic = Annotated[str, AfterValidator(_topic_name)]
_Language = Annotated[str, Field(max_length=35), AfterValidator(check_language)]
_Cadence = Literal["each", "daily", "weekly", "none"]


class PreferencesRequest(BaseModel):
    """A change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    topics: Annotated[dict[_Topic, bool], Field(max_length=100)] = Field(default_factory=dict)
    all_off: bool | None = Field(default=None, description="No bulk mail at all.")
    paused_until: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="No bulk mail until then; null ends a pause."
    )
    cadences: Annotated[dict[_Topic, _Cadence], Field(max_length=100)] = Field(default_factory=dict)
    language: _Language | None = None
    time_zone: Annotated[str, Field(max_length=60), AfterValidator(_zone)] | None = None


class PreferencesView(BaseModel):
    """What a recipient wishes; a topic that is off has the cadence none."""

    model_config = ConfigDict(frozen=True)

    address: str
    topics: dict[str, bool]
    all_off: bool
    paused_until: datetime | None
    cadences: dict[str, str]
    language: str
    time_zone: str


def read_address(text: str, *, strict: bool = False) -> str:
    """The address in a URL, normalised. strict: as messages take it; else whatever has an @-sign,
    for what was stored must be found. Raises InvalidMessageError."""
    try:
        text = text[:400].strip().removesuffix(".")
        return normalise(TypeAdapter(Email).validate_python(text) if strict else text)
    except (AddressError, ValidationError):
        problem = FieldProblem(
            "", "The URL's address is no e-mail address.",
            "Give local-part@domain, percent-encoded (RFC 3986).",
        )  # fmt: skip
        raise InvalidMessageError([problem]) from None


class PreferencesApi:
    """Header names are expected in lower case."""

    def __init__(self, preferences: Preferences, *, clock: Callable[[], datetime]) -> None:
        self._preferences = preferences
        self._clock = clock

    async def get(self, address: str) -> Answer:
        """200: an address of which nothing is known has the topics' defaults."""
        return await answer(lambda: self._get(address))

    async def _get(self, address: str) -> Answer:
        checked = read_address(address)
        return _shown(checked, await self._preferences.get(checked))

    async def put(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with what holds now."""
        return await answer(lambda: self._put(address, body, headers))

    async def _put(self, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        wanted = read_request(PreferencesRequest, body, headers)
        if wanted.paused_until is not None and wanted.paused_until <= self._clock():
            raise _refusal("/paused_until", "It lies in the past.", "Give a later time, or null.")
        change = PreferenceChange(
            topics=wanted.topics, all_off=wanted.all_off, paused_until=wanted.paused_until,
            resume="paused_until" in wanted.model_fields_set and wanted.paused_until is None,
            cadences=wanted.cadences, language=wanted.language, time_zone=wanted.time_zone,
        )  # fmt: skip
        checked = read_address(address, strict=True)
        try:
            found = await self._preferences.change(checked, change, source="api")
        except PreferenceError as error:
            raise _refusal("", error.detail, error.fix) from None
        return _shown(checked, found)


def _refusal(field: str, detail: str, fix: str) -> InvalidMessageError:
    return InvalidMessageError([FieldProblem(field, detail, fix)])


def _shown(address: str, found: RecipientPreferences) -> Answer:
    view = PreferencesView(
        address=address, topics=dict(found.topics), all_off=found.all_off,
        paused_until=found.paused_until, cadences=dict(found.cadences),
        language=found.language, time_zone=found.time_zone,
    )  # fmt: skip
    return json_answer(200, view.model_dump(mode="json"))
