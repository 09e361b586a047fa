"""What is wrong with a template: told at PUT, and by the command line, before anybody mails it."""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.errors import TemplateError
from shared.templates.bundle import OWN_FILE, Bundle, check_files
from shared.templates.definition import Definition, read_definition, read_json, read_sample
from shared.templates.grammar import check_markup
from shared.templates.rendering import RESERVED, Filling, Rendering
from shared.templates.renderings import local_filters
from shared.templates.schema import find_problems, make_validator

MAX_FAULTS = 50


def check_bundle(bundle: Bundle, brand: Mapping[str, Any], *, limit: int) -> list[TemplateError]:
    """Every fault that is found, each with its file, line and fix; [] for a good template.

    It is rendered in each of its languages with its sample data.
    """
    if faults := check_files(bundle.files):
        return faults
    try:
        definition = read_definition(bundle)
        sample = _sample(bundle)
    except TemplateError as error:
        return [error]
    found: dict[tuple[str, int, str], TemplateError] = {}
    for fault in _faults(bundle, definition, sample, brand, limit):
        found.setdefault((fault.file, fault.line, fault.detail), fault)
        if len(found) == MAX_FAULTS:
            break
    return sorted(found.values(), key=lambda fault: (fault.file, fault.line))


def _sample(bundle: Bundle) -> dict[str, Any]:
    """The sample data, which fits the schema."""
    sample = read_sample(bundle)
    schema = read_json(bundle, "schema.json")
    for problem in find_problems(make_validator(schema), sample):
        raise TemplateError(
            f"At {problem['pointer'] or 'the top'}: {problem['detail']}",
            fix="Change sample.json or schema.json, so that they fit.", file="sample.json",
        )  # fmt: skip
    return sample


def _faults(
    bundle: Bundle,
    definition: Definition,
    sample: Mapping[str, Any],
    brand: Mapping[str, Any],
    limit: int,
) -> Iterator[TemplateError]:
    yield from _stray_languages(bundle, definition)
    schema = read_json(bundle, "schema.json")
    for name in schema.get("properties", {}) if isinstance(schema, dict) else ():
        if name in RESERVED:
            yield TemplateError(
                f"The data has a member {name!r}, a name that Mailroom gives to templates.",
                fix=f"Rename it, or use it as {{{{ data.{name} }}}}.", file="schema.json",
            )  # fmt: skip
    for language in definition.languages:
        try:
            rendering = Rendering(bundle, language, brand, limit=limit)
            yield from check_markup(rendering.reader, mjml=rendering.is_mjml)
            extra = {"unsubscribe_url": "https://mailroom.test/unsubscribe"}
            rendering.render(Filling(sample, extra, local_filters(language, "UTC")))
        except TemplateError as error:
            yield error


def _stray_languages(bundle: Bundle, definition: Definition) -> Iterator[TemplateError]:
    for file in bundle.files:
        found = OWN_FILE.fullmatch(file)
        language = found["language"] if found else None
        if language and language not in definition.languages:
            yield TemplateError(
                f"The language {language} is not among the template's.",
                fix="Add it to languages in template.json.", file=file,
            )  # fmt: skip
    for language in definition.texts:
        if language not in definition.languages:
            yield TemplateError(
                f"The language {language} is not among the template's.",
                fix="Add it to languages in template.json.", file="texts.json",
            )  # fmt: skip
