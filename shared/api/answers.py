"""Answers of the HTTP API, and what each error is answered with."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.errors import (
    CallerKeysUnavailableError,
    ConflictError,
    FieldProblem,
    FileUnavailableError,
    ForbiddenError,
    InvalidMessageError,
    MailroomError,
    NotFoundError,
    PartlyAcceptedError,
    PreconditionError,
    StorageUnavailableError,
    TemplateDataError,
    TemplateError,
    UnauthenticatedError,
)
from shared.problems import CONTENT_TYPE, problem
from shared.templates.problems import data_pointer

logger = logging.getLogger(__name__)


_KINDS = {400: "unreadable", 413: "too-large", 415: "not-json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and header fields of a response."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, value: Any, *, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body; nothing of it is to be cached."""
    body = json.dumps(value, ensure_ascii=False, indent=2).encode()
    return Answer(status, body, headers={"Cache-Control": "no-store", **(headers or {})})


def problem_answer(
    document: Mapping[str, Any], *, retry_after: int | None = None, challenge: str = ""
) -> Answer:
    """An answer with a problem document (RFC 9457)."""
    headers = {"Cache-Control": "no-store"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    body = json.dumps(document, ensure_ascii=False, indent=2).encode()
    return Answer(document["status"], body, CONTENT_TYPE, headers)


async def answer(handle: Callable[[], Awaitable[Answer]]) -> Answer:
    """What `handle` answers, or the problem document of the error that it raised."""
    try:
        return await handle()
    except MailroomError as error:
        return _refuse(error)
    except Exception:
        logger.exception("unexpected error")
        fix = "See the function app's log; with an Idempotency-Key the request may be repeated."
        return problem_answer(
            problem(500, "unexpected", "Something failed that should not.", fix=fix)
        )


def _refuse(error: MailroomError) -> Answer:  # noqa: C901, PLR0911 (one for each error)
    match error:
        case InvalidMessageError():
            kind = _KINDS.get(error.status, "invalid-message")
            count = len(error.problems)
            detail = f"{count} {'problem was' if count == 1 else 'problems were'} found."
            return problem_answer(problem(error.status, kind, detail, errors=error.problems))
        case UnauthenticatedError():
            document = problem(401, "unauthenticated", error.detail, fix=error.fix)
            return problem_answer(document, challenge=_challenge(error.error, error.detail))
        case ForbiddenError():
            document = problem(403, "forbidden", error.detail, fix=error.fix)
            challenge = _challenge(error.error, error.detail) if error.error else ""
            return problem_answer(document, challenge=challenge)
        case CallerKeysUnavailableError():
            document = problem(503, "keys-unavailable", error.detail, fix=error.fix)
            return problem_answer(document, retry_after=10)
        case NotFoundError():
            return problem_answer(problem(404, "not-found", error.detail, fix=error.fix))
        case TemplateError():
            return _refuse_template(error)
        case PreconditionError():
            return problem_answer(problem(412, "changed", error.detail, fix=error.fix))
        case ConflictError():
            return problem_answer(problem(409, "conflict", error.detail, fix=error.fix))
        case PartlyAcceptedError():
            logger.error("storage is not available: %s", error.detail)
            detail = "Storage does not answer; part of the batch may be accepted."
            document = problem(503, "partly-accepted", detail, fix=error.fix)
            return problem_answer(document, retry_after=10)
        case FileUnavailableError():
            logger.error("a file cannot be fetched: %s", error.detail)
            document = problem(503, "file-unavailable", error.detail, fix=error.fix)
            return problem_answer(document, retry_after=30)
        case StorageUnavailableError():
            logger.error("storage is not available: %s", error)
            detail = "Storage does not answer; the request may be repeated."
            fix = "Repeat it later, with the same Idempotency-Key."
            document = problem(503, "storage-unavailable", detail, fix=fix)
            return problem_answer(document, retry_after=10)
        case _:
            logger.error("request failed: %s", error)
            return problem_answer(problem(500, "failed", error.detail, fix=error.fix))


def _challenge(error: str, detail: str) -> str:
    """WWW-Authenticate as RFC 6750 section 3 has it; `detail` is a text of our own."""
    told = f', error="{error}", error_description="{detail}"' if error else ""
    return f'Bearer realm="Mailroom"{told}'


def _refuse_template(error: TemplateError) -> Answer:
    if isinstance(error, TemplateDataError):
        detail = "The data does not fit the template's schema."
        return problem_answer(problem(422, "template-data", detail, errors=error.problems))
    place = f"{error.file}:{error.line}: " if error.line else ""
    missing = [FieldProblem(data_pointer(error.path), error.detail, error.fix)]
    return problem_answer(
        problem(
            422, "template", f"{place}{error.detail}", fix=error.fix,
            errors=missing if error.path.startswith("data") else (),
        )
    )  # fmt: skip
