"""What stands in a template's JSON files, read and checked."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.errors import TemplateError
from shared.templates.bundle import LANGUAGE, Bundle
from shared.templates.languages import fallbacks

_TOPIC = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")  # as of a message

_MEMBERS: Mapping[str, type] = {
    "description": str, "category": str, "topic": str, "languages": list, "default_language": str,
    "subject": dict, "preheader": dict,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Definition:
    """`template.json` and `texts.json`."""

    description: str = ""
    category: str = ""
    topic: str = ""
    languages: tuple[str, ...] = ("en",)
    default_language: str = "en"
    subject: Mapping[str, str] = field(default_factory=dict)
    preheader: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, Any] = field(default_factory=dict)


def read_definition(bundle: Bundle) -> Definition:
    """Raises TemplateError for the first thing that is wrong."""
    value = read_json(bundle, "template.json")
    if not isinstance(value, dict):
        raise _wrong("It is no JSON object.", "Begin with { and end with }.")
    _check_members(value)
    languages = tuple(value.get("languages") or ["en"])
    default = value.get("default_language") or languages[0]
    definition = Definition(
        description=value.get("description", ""), category=value.get("category", ""),
        topic=value.get("topic", ""), languages=languages, default_language=default,
        subject=value.get("subject", {}), preheader=value.get("preheader", {}),
        texts=_texts(bundle),
    )  # fmt: skip
    _check(definition)
    return definition


def _check_members(value: Mapping[str, Any]) -> None:
    for name, member in value.items():
        kind = _MEMBERS.get(name)
        if kind is None:
            raise _wrong(f"{name!r} is not known.", f"Use {', '.join(_MEMBERS)}.")
        if not isinstance(member, kind):
            raise _wrong(f"{name} is no {kind.__name__}.", "See docs/templates.md for its shape.")
        texts = list(member.values()) if isinstance(member, dict) else member
        texts = texts if isinstance(texts, list) else []
        if not all(isinstance(text, str) for text in texts):
            raise _wrong(f"{name} holds something else than text.", "Put texts into quotes.")


def _check(definition: Definition) -> None:
    if definition.category not in {"", "transactional", "bulk"}:
        raise _wrong("The category is not known.", "Use transactional or bulk.")
    if definition.topic and not _TOPIC.fullmatch(definition.topic):
        raise _wrong("The topic cannot be used.", "Use lower-case letters, digits, . _ and -.")
    for language in definition.languages:
        if not LANGUAGE.fullmatch(language):
            raise _wrong(f"{language!r} is no language.", "Use BCP 47 tags such as en or de-AT.")
    if definition.default_language not in definition.languages:
        raise _wrong("default_language is not one of languages.", "Add it to languages.")
    for language in definition.languages:
        names = (*fallbacks(language), *fallbacks(definition.default_language))
        if not any(definition.subject.get(name) for name in names):
            raise _wrong(
                f"There is no subject for {language}.", f'Add it: "subject": {{"{language}": "…"}}.'
            )


def _texts(bundle: Bundle) -> Mapping[str, Any]:
    if "texts.json" not in bundle.files:
        return {}
    value = read_json(bundle, "texts.json")
    if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
        raise TemplateError(
            "It is no object of languages, each with its texts.", file="texts.json",
            fix='Write {"en": {"greeting": "Hello"}, "de": {"greeting": "Hallo"}}.',
        )  # fmt: skip
    return value


def read_json(bundle: Bundle, file: str) -> Any:
    """The value of a JSON file. Raises TemplateError that names the line of a fault."""
    if file not in bundle.files:
        raise TemplateError("The file is missing.", file=file, fix="Add it.")
    try:
        return json.loads(bundle.files[file])
    except json.JSONDecodeError as error:
        raise TemplateError(
            f"It is not valid JSON: {error.msg}.", fix="Correct it (RFC 8259).",
            file=file, line=error.lineno,
        ) from None  # fmt: skip
    except RecursionError:
        raise TemplateError("It is nested too deep.", fix="Nest it less.", file=file) from None


def read_sample(bundle: Bundle) -> dict[str, Any]:
    """The sample data. Raises TemplateError."""
    sample = read_json(bundle, "sample.json")
    if not isinstance(sample, dict):
        raise TemplateError("It is no JSON object.", fix="Begin with {.", file="sample.json")
    return sample


def _wrong(detail: str, fix: str) -> TemplateError:
    return TemplateError(detail, fix=fix, file="template.json")
