"""What the rest of Mailroom asks of templates: a name and data in, a mail's content out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.errors import FieldProblem, TemplateDataError, TemplateError
from shared.settings import Settings
from shared.templates.bundle import Bundle, check_files
from shared.templates.definition import read_definition, read_sample
from shared.templates.workers import RenderLimits, Workers

_AT_ONCE = 25  # recipients in one request to a worker

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template made. version: "3", or "stock-" and a digest of the packaged files.

    category, topic: the template's defaults, "" where it has none.
    """

    subject: str
    html: str = field(repr=False)
    text: str = field(repr=False)
    version: str
    language: str
    category: str
    topic: str


@dataclass(frozen=True, slots=True)
class RenderItem:
    """One recipient of a template. language: BCP 47; zone: IANA; None: the app's own.

    extra: what the app adds to the data, such as `unsubscribe_url`.
    """

    data: Mapping[str, Any] = field(repr=False)
    language: str | None = None
    zone: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Versions(Protocol):
    """Where the versions of templates are."""

    async def find(self, name: str, version: str = "") -> tuple[str, Bundle]:
        """A version, and its true name; "" is the published one. Raises UnknownTemplateError."""
        ...


class Templates:
    """Renders templates. Belongs to one event loop; to be closed."""

    def __init__(self, settings: Settings, *, versions: Versions) -> None:
        self._versions = versions
        self._workers = Workers(
            RenderLimits(
                seconds=settings.template_seconds, memory=settings.template_memory,
                output=settings.template_output,
            )
        )  # fmt: skip
        self.brand = {
            "name": settings.brand_name, "colour": settings.brand_colour,
            "logo_url": settings.brand_logo_url, "address": settings.brand_address,
            "website": settings.brand_website,
        }  # fmt: skip
        self._language, self._zone = settings.language, settings.time_zone

    async def render(
        self,
        name: str,
        data: Mapping[str, Any],
        *,
        language: str | None = None,
        zone: str | None = None,
        extra: Mapping[str, Any] = _NOTHING,
        version: str = "",
    ) -> Rendered:
        """The content of one mail.

        Raises UnknownTemplateError, TemplateDataError (the data does not fit the schema; one
        problem for each fault) or TemplateError.
        """
        item = RenderItem(data, language, zone, extra)
        (outcome,) = await self.render_many(name, [item], version=version)
        if isinstance(outcome, TemplateError):
            raise outcome
        return outcome

    async def defaults(self, name: str) -> tuple[str, str]:
        """Category and topic that the published version is for, "" where it names none.

        Raises UnknownTemplateError, TemplateError.
        """
        _, bundle = await self._versions.find(name)
        definition = read_definition(bundle)
        return definition.category, definition.topic

    async def render_many(
        self, name: str, items: Sequence[RenderItem], *, version: str = ""
    ) -> list[Rendered | TemplateError]:
        """For each recipient of one template the content, or why there is none."""
        found, bundle = await self._versions.find(name, version)
        return await self.render_bundle(bundle, items, version=found)

    async def render_bundle(
        self, bundle: Bundle, items: Sequence[RenderItem], *, version: str
    ) -> list[Rendered | TemplateError]:
        """The same for a bundle that need not be stored."""
        outcomes: list[Rendered | TemplateError] = []
        for start in range(0, len(items), _AT_ONCE):
            asked = [
                {"data": i.data, "extra": i.extra, "language": i.language, "zone": i.zone}
                for i in items[start : start + _AT_ONCE]
            ]
            results = await self._workers.render(
                bundle, asked, brand=self.brand, language=self._language, zone=self._zone
            )
            outcomes += [_outcome(result, version) for result in results]
        return outcomes

    async def preview(
        self,
        bundle: Bundle,
        data: Mapping[str, Any] | None,
        *,
        language: str | None = None,
        zone: str | None = None,
        version: str = "",
    ) -> Rendered:
        """A bundle rendered with `data`, or with its own sample data. Raises TemplateError."""
        if faults := check_files(bundle.files):
            raise faults[0]
        if data is None:
            data = read_sample(bundle)
        extra = {"unsubscribe_url": "https://mailroom.test/unsubscribe"}
        item = RenderItem(data, language, zone, extra)
        (outcome,) = await self.render_bundle(bundle, [item], version=version)
        if isinstance(outcome, TemplateError):
            raise outcome
        return outcome

    async def compare(
        self, old: Bundle, new: Bundle, old_name: str, new_name: str
    ) -> list[dict[str, str]]:
        """The files that differ: `file`, `change` (added, removed, changed) and unified `diff`."""
        return await self._workers.compare(old, new, old_name, new_name)

    async def check(self, bundle: Bundle) -> list[TemplateError]:
        """The faults of a template, each with file, line and fix."""
        return await self._workers.check(bundle, self.brand)

    async def aclose(self) -> None:
        await self._workers.aclose()


def _outcome(result: Mapping[str, Any], version: str) -> Rendered | TemplateError:
    if "error" in result:
        error: TemplateError = result["error"]
        return error
    if "problems" in result:
        return TemplateDataError(
            [FieldProblem(p["pointer"], p["detail"], p["fix"]) for p in result["problems"]]
        )
    return Rendered(
        result["subject"], result["html"], result["text"], version, result["language"],
        result["category"], result["topic"],
    )  # fmt: skip
