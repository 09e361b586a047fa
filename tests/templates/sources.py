"""Templates for tests, and what they are rendered with."""

import json
from collections.abc import Mapping
from typing import Any

from shared.templates.bundle import Bundle
from shared.templates.filters import LocalFilters
from shared.templates.rendering import Filling, Mail, Rendering

BRAND = {
    "name": "Contoso", "colour": "#0b5cad", "logo_url": "", "address": "1 Way, Town", "website": "",
}  # fmt: skip

LIMIT = 200_000


def make_bundle(
    body: str,
    *,
    subject: str = "A subject",
    sample: Mapping[str, Any] | None = None,
    schema: Mapping[str, Any] | None = None,
    texts: Mapping[str, Any] | None = None,
    languages: tuple[str, ...] = ("en",),
    kind: str = "mjml",
    preheader: str = "",
    files: Mapping[str, str] | None = None,
) -> Bundle:
    """A bundle with this body, and further files by name."""
    definition = {
        "languages": languages, "default_language": languages[0],
        "subject": {languages[0]: subject}, "preheader": {languages[0]: preheader},
    }  # fmt: skip
    return Bundle(
        {
            "template.json": json.dumps(definition),
            f"body.{kind}": body,
            "sample.json": json.dumps(sample or {}),
            "schema.json": json.dumps(schema or {"type": "object"}),
            "texts.json": json.dumps(texts or {languages[0]: {}}),
            **(files or {}),
        }
    )


def column(content: str) -> str:
    """A whole MJML document with this in its one column."""
    return (
        f"<mjml><mj-body><mj-section><mj-column>\n{content}\n</mj-column></mj-section>"
        "</mj-body></mjml>"
    )


def text(content: str) -> str:
    return column(f"<mj-text>{content}</mj-text>")


def fill(
    bundle: Bundle,
    data: Mapping[str, Any],
    *,
    language: str = "en",
    writing: str = "",
    zone: str = "UTC",
    extra: Mapping[str, Any] | None = None,
) -> Mail:
    """The bundle rendered in this process."""
    rendering = Rendering(bundle, language, BRAND, limit=LIMIT)
    return rendering.render(Filling(data, extra or {}, LocalFilters(writing or language, zone)))
