"""What a worker process keeps: templates ready to be filled, and filters by language and zone."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from babel import UnknownLocaleError
from jsonschema.protocols import Validator

from shared.errors import TemplateError, TemplateLimitError
from shared.templates.bundle import Bundle
from shared.templates.definition import Definition, read_definition, read_json
from shared.templates.filters import LocalFilters
from shared.templates.languages import choose, fallbacks
from shared.templates.rendering import Filling, Rendering
from shared.templates.schema import find_problems, make_validator

_KEPT = 64  # templates, each in one language


class Renderings:
    """Renders items of requests, each with what it needs kept from the one before."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str, int], Rendering] = {}
        self._read = lru_cache(maxsize=_KEPT)(_read_cached)

    def render(self, bundle: Bundle, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """For each item a mail's parts, or `{"error": …}`, or `{"problems": […]}`."""
        return [self._safely(bundle, request, item) for item in request["items"]]

    def _safely(
        self, bundle: Bundle, request: Mapping[str, Any], item: Mapping[str, Any]
    ) -> dict[str, Any]:
        try:
            return self._render(bundle, request, item)
        except TemplateError as error:
            return {"error": describe(error)}
        except RecursionError:
            fix = "Nest it less, or end the recursion."
            return {"error": describe(TemplateLimitError("It is nested too deep.", fix=fix))}

    def _render(
        self, bundle: Bundle, request: Mapping[str, Any], item: Mapping[str, Any]
    ) -> dict[str, Any]:
        definition, validator = self._read(_Key(bundle))
        data = item["data"]
        if validator is not None and (problems := find_problems(validator, data)):
            return {"problems": problems}
        default = definition.default_language
        wanted = item["language"] or request["language"]
        language, writing = choose(wanted, definition.languages, default)
        rendering = self.rendering(bundle, language, request)
        filters = local_filters(writing, item["zone"] or request["zone"])
        mail = rendering.render(Filling(data, item["extra"], filters))
        return {
            "subject": mail.subject, "html": mail.html, "text": mail.text, "language": language,
            "category": definition.category, "topic": definition.topic,
        }  # fmt: skip

    def rendering(self, bundle: Bundle, language: str, request: Mapping[str, Any]) -> Rendering:
        key = bundle.digest, language, repr(sorted(request["brand"].items())), request["limit"]
        rendering = self._kept.pop(key, None)
        if rendering is None:
            rendering = Rendering(bundle, language, request["brand"], limit=request["limit"])
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
        self._kept[key] = rendering
        return rendering


class _Key:
    """A bundle as a key of a cache."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.bundle.digest == self.bundle.digest

    def __hash__(self) -> int:
        return hash(self.bundle.digest)


def _read_cached(key: _Key) -> tuple[Definition, Validator | None]:
    bundle = key.bundle
    schema = read_json(bundle, "schema.json") if "schema.json" in bundle.files else None
    return read_definition(bundle), None if schema is None else make_validator(schema)


@lru_cache(maxsize=256)
def local_filters(language: str, zone: str) -> LocalFilters:
    """The filters for a language, or for the nearest one that CLDR knows."""
    for name in (*fallbacks(language), "en"):
        try:
            return LocalFilters(name, zone)
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    raise AssertionError  # English is known


def describe(error: TemplateError) -> dict[str, Any]:
    """An error as the worker's answer holds it."""
    return {
        "detail": error.detail, "fix": error.fix, "file": error.file, "line": error.line,
        "path": error.path, "limit": isinstance(error, TemplateLimitError),
    }  # fmt: skip
