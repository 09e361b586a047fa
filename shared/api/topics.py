"""`/api/topics`: what mail is about, in words for recipients."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.api.answers import Answer, answer, json_answer
from shared.api.requests import read_request
from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.fields import Line
from shared.preferences import Topic, Topics
from shared.setting_values import language_tag
from shared.suppression import is_topic

_LANGUAGES = 50


def check_language(value: str) -> str:
    """A language tag, or "". Raises ValueError."""
    return language_tag(value) if value else ""


_Language = Annotated[str, Field(min_length=2, max_length=35), AfterValidator(check_language)]
_Words = dict[_Language, Annotated[str, Field(min_length=1, max_length=500), Line]]


class TopicRequest(BaseModel):
    """A topic's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    default_on: bool = Field(default=True, description="false: it goes to who has chosen it only.")
    exempt: bool = Field(
        default=False, description="Its transactional mail goes to who complained, too."
    )
    names: Annotated[_Words, Field(max_length=_LANGUAGES)] = Field(
        default_factory=dict, description="By language (BCP 47)."
    )
    descriptions: Annotated[_Words, Field(max_length=_LANGUAGES)] = Field(
        default_factory=dict, description="By language (BCP 47)."
    )

    @model_validator(mode="after")
    def _check_exemption(self) -> Self:
        if self.exempt and not self.default_on:
            raise ValueError("A topic that is exempt cannot be off by default.")
        return self


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class TopicView(_View):
    """A topic."""

    name: str
    default_on: bool
    exempt: bool
    names: dict[str, str]
    descriptions: dict[str, str]


class TopicsView(_View):
    """All topics, by name."""

    topics: list[TopicView]


class TopicsApi:
    """Header names are expected in lower case."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    async def list(self) -> Answer:
        """200 with all topics."""
        return await answer(self._list)

    async def _list(self) -> Answer:
        view = TopicsView(topics=[_view(topic) for topic in await self._topics.list()])
        return json_answer(200, view.model_dump())

    async def get(self, name: str) -> Answer:
        """200, or 404."""
        return await answer(lambda: self._get(name))

    async def _get(self, name: str) -> Answer:
        return json_answer(200, _view(await self._topics.get(_known_name(name))).model_dump())

    async def put(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with the topic as it is now."""
        return await answer(lambda: self._put(name, body, headers))

    async def _put(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        wanted = read_request(TopicRequest, body, headers)
        topic = Topic(
            name=_known_name(name), default_on=wanted.default_on, exempt=wanted.exempt,
            names=wanted.names, descriptions=wanted.descriptions,
        )  # fmt: skip
        await self._topics.put(topic)
        return json_answer(200, _view(topic).model_dump())

    async def delete(self, name: str) -> Answer:
        """204, or 404. What recipients chose about it stays."""
        return await answer(lambda: self._delete(name))

    async def _delete(self, name: str) -> Answer:
        await self._topics.remove(_known_name(name))
        return Answer(204, b"")


def _known_name(name: str) -> str:
    if not is_topic(name):
        fix = "Use lower-case letters, digits, dots, hyphens, underscores; 63 at most."
        raise InvalidMessageError([FieldProblem("", "The URL's topic is none.", fix)])
    return name


def _view(topic: Topic) -> TopicView:
    return TopicView(
        name=topic.name, default_on=topic.default_on, exempt=topic.exempt,
        names=dict(topic.names), descriptions=dict(topic.descriptions),
    )  # fmt: skip
