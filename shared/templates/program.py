"""One Jinja source, compiled: what it makes is bounded, its errors tell file, line and path."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from jinja2 import Template
from jinja2.exceptions import SecurityError, TemplateSyntaxError

from shared.errors import TemplateError, TemplateLimitError
from shared.templates.environment import Environment, MissingValueError, name_place
from shared.templates.filters import LocalFilters
from shared.templates.source import Piece


class Program:
    """One compiled source. texts: the pieces' own text, or what stands for it line by line."""

    def __init__(
        self, environment: Environment, pieces: Sequence[Piece], texts: Sequence[str]
    ) -> None:
        self._lines = _origins(pieces, texts)
        self._environment = environment
        try:
            self._template: Template = environment.from_string("".join(texts))
        except TemplateSyntaxError as error:
            file, line = self._origin(error.lineno)
            raise TemplateError(
                f"Jinja cannot read it: {(error.message or '').rstrip('.')}.",
                fix="Correct the statement on this line, or the one that it belongs to.",
                file=file, line=line,
            ) from None  # fmt: skip

    def _origin(self, line: int) -> tuple[str, int]:
        if not self._lines:
            return "", 0
        return self._lines[min(max(line, 1), len(self._lines)) - 1]

    def render(self, values: Mapping[str, Any], filters: LocalFilters, limit: int) -> str:
        """The filled source, of `limit` characters at most. Raises TemplateError."""
        self._environment.filters.update(filters.filters)
        out: list[str] = []
        size = 0
        try:
            context = self._template.new_context(dict(values))
            for chunk in self._template.root_render_func(context):
                out.append(chunk)
                size += len(chunk)
                check_size(size, limit)
        except Exception as error:  # noqa: BLE001 (whatever a template does wrong)
            raise self._explained(error, values) from None
        return "".join(out)

    def _explained(self, error: Exception, values: Mapping[str, Any]) -> TemplateError:
        template, line = _place_of(error.__traceback__)
        if template is self._template or template is None:
            file, line = self._origin(line)
        else:  # a macro of a file that was imported
            file = template.name or ""
        if isinstance(error, TemplateError):
            error.file, error.line = error.file or file, error.line or line
            return error
        if isinstance(error, MissingValueError):
            roots = {n: values[n] for n in ("data", "texts", "brand") if n in values}
            path = name_place(error.owner, error.name, roots)
            return TemplateError(
                f"{path} is missing.",
                fix='Send it, or give the template a default: {{ x | default("") }}.',
                file=file, line=line, path=path,
            )  # fmt: skip
        detail, fix = _described(error)
        return TemplateError(detail, fix=fix, file=file, line=line)


def check_size(size: int, limit: int) -> None:
    """Raises TemplateLimitError for a body of more characters than `limit`."""
    if size > limit:
        raise TemplateLimitError(
            f"It makes {size} characters or more; {limit} are allowed.",
            fix="Shorten the loop or the data, or raise MAILROOM_TEMPLATE_OUTPUT.",
        )


def _described(error: Exception) -> tuple[str, str]:
    match error:
        case SecurityError():
            return f"A template may not do this: {error}.", "Use data, filters and tests alone."
        case RecursionError():
            return "A macro or loop calls itself without an end.", "End the recursion."
        case OverflowError():
            return f"A number is out of bounds: {error}.", "Use smaller numbers."
        case MemoryError():
            raise error
        case _:
            return (
                (
                    f"A value does not fit what is done with it: {type(error).__name__}: "
                    f"{str(error)[:200]}."
                ),
                "Send another value, or test it in the template first.",
            )


def _place_of(trace: TracebackType | None) -> tuple[Template | None, int]:
    """The template whose own code was running last, and the line."""
    found: tuple[Template | None, int] = None, 0
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(template, Template):
            found = template, template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return found


def _origins(pieces: Sequence[Piece], texts: Sequence[str]) -> list[tuple[str, int]]:
    """File and line for each line of the joined texts: those of its first visible character."""
    lines: list[tuple[str, int]] = []
    begun = False
    for piece, text in zip(pieces, texts, strict=True):
        for number, part in enumerate(text.split("\n")):
            if number or not lines:
                lines.append((piece.file, piece.line + number))
                begun = bool(part.strip())
            elif not begun:
                lines[-1] = piece.file, piece.line
                begun = bool(part.strip())
    return lines
