"""What MJML allows where: mrml takes unknown tags and attributes without a word."""

import difflib
from collections.abc import Iterator
from typing import Any

from shared.errors import TemplateError
from shared.templates.components import COMPONENTS, DEFAULTS_FOR_ALL
from shared.templates.markup import MarkupReader, Tag

_IMAGES = frozenset(["img", "mj-image", "mj-carousel-image"])


def check_markup(reader: MarkupReader, *, mjml: bool) -> Iterator[TemplateError]:
    """Tags that are not ended or not known, attributes that are not known, images without alt."""
    for tag in reader.tags:
        if mjml:
            yield from _check_component(tag)
        if tag.name in _IMAGES and "alt" not in tag.attributes and not tag.dynamic:
            yield _at(
                tag, f"<{tag.name}> has no alt.",
                'Say what the image shows: alt="…"; alt="" for one that only decorates.',
            )  # fmt: skip
    for name, file, line in reader.strays:
        if name.startswith("mj"):
            yield TemplateError(
                f"</{name}> ends nothing.", fix="Remove it, or add the tag that it ends.",
                file=file, line=line,
            )  # fmt: skip
    for tag in reader.stack:
        if tag.name.startswith("mj"):
            yield _at(tag, f"<{tag.name}> is not ended.", f"Add </{tag.name}>.")


def _check_component(tag: Tag) -> Iterator[TemplateError]:
    around = [name for name in tag.parents if name in COMPONENTS]
    parent = around[-1] if around else ""
    if any(COMPONENTS[name].content for name in around):
        if tag.name in COMPONENTS:
            yield _at(
                tag, f"<{tag.name}> stands within <{parent}>, which holds HTML.",
                f"Put it beside <{parent}>, or use HTML.",
            )  # fmt: skip
        return
    if parent == "mj-attributes" and (tag.name in DEFAULTS_FOR_ALL or tag.name in COMPONENTS):
        if tag.name in COMPONENTS:
            yield from _check_attributes(tag)
        return
    if tag.name == "mj-include":
        yield _at(tag, "<mj-include> is not read.", 'Use {% include "_partials/name.mjml" %}.')
        return
    component = COMPONENTS.get(tag.name)
    if component is None:
        yield _at(
            tag, f"<{tag.name}> is not known in MJML.", _suggested(tag.name, COMPONENTS, "<>")
        )
        return
    if parent not in component.parents and (parent or component.parents):
        allowed = " or ".join(f"<{name}>" for name in sorted(component.parents)) or "the top"
        here = f"<{parent}>" if parent else "no component"
        yield _at(tag, f"<{tag.name}> stands in {here}.", f"Put it into {allowed}.")
    yield from _check_attributes(tag)


def _check_attributes(tag: Tag) -> Iterator[TemplateError]:
    known = COMPONENTS[tag.name].attributes
    for name in tag.attributes:
        if known is not None and name not in known:
            yield TemplateError(
                f"<{tag.name}> has no attribute {name}.", fix=_suggested(name, known),
                file=tag.file, line=tag.lines.get(name, tag.line),
            )  # fmt: skip


def _suggested(name: str, known: Any, around: str = "") -> str:
    before, after = (around[0], around[1]) if around else ("", "")
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    if near:
        return f"Did you mean {before}{near[0]}{after}?"
    return "See https://documentation.mjml.io for what there is."


def _at(tag: Tag, detail: str, fix: str) -> TemplateError:
    return TemplateError(detail, fix=fix, file=tag.file, line=tag.line)
