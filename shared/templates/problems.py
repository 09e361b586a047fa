"""What went wrong with a template, as faults of the message or request that uses it."""

import re

from shared.errors import (
    FieldProblem,
    NotFoundError,
    TemplateDataError,
    TemplateError,
)

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]")


def template_problems(error: TemplateError | NotFoundError, *, at: str) -> list[FieldProblem]:
    """The faults, with pointers below `at`, where a message has its template (`/template`)."""
    if isinstance(error, NotFoundError):
        return [FieldProblem(f"{at}/name", error.detail, error.fix)]
    if isinstance(error, TemplateDataError):
        return [FieldProblem(f"{at}/data{p.field}", p.detail, p.fix) for p in error.problems]
    place = f"{error.file}:{error.line}: " if error.line else ""
    pointer = f"{at}/data{data_pointer(error.path)}" if error.path.startswith("data") else at
    return [FieldProblem(pointer, f"{place}{error.detail}", error.fix)]


def data_pointer(path: str) -> str:
    """The JSON pointer (RFC 6901) of a path such as `data.items[3].price`, from the data."""
    names = ("".join(step) for step in _STEP.findall(path.removeprefix("data")))
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
