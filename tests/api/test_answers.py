"""What each error is answered with."""

import json
import logging

import pytest

from shared.api.answers import Answer, answer, json_answer
from shared.errors import (
    AlreadyExistsError,
    ChangedError,
    ComposeError,
    ConflictError,
    CredentialError,
    CredentialUnavailableError,
    FieldProblem,
    FileUnavailableError,
    InvalidMessageError,
    MailroomError,
    NotFoundError,
    SettingsError,
    StorageUnavailableError,
)
from tests.api.conftest import check_problem

FAULT = [FieldProblem("/to", "It is bad.", "Mend it.")]
ERRORS: list[tuple[Exception, int]] = [
    (InvalidMessageError(FAULT), 422),
    (InvalidMessageError(FAULT, status=400), 400),
    (InvalidMessageError(FAULT, status=413), 413),
    (InvalidMessageError(FAULT, status=415), 415),
    (NotFoundError("There is none.", fix="Use another."), 404),
    (ConflictError("It is taken.", fix="Use another."), 409),
    (AlreadyExistsError("It exists.", fix="Use another."), 409),
    (ChangedError("It changed.", fix="Read it again."), 409),
    (StorageUnavailableError("Storage does not answer.", fix="Wait."), 503),
    (FileUnavailableError("The file's host does not answer.", fix="Wait."), 503),
    (SettingsError("They cannot be used.", fix="Set them.", names=["A"]), 500),
    (CredentialError("There is none.", fix="Make one."), 500),
    (CredentialUnavailableError("Entra ID does not answer.", fix="Wait."), 500),
    (ComposeError("It cannot be written.", fix="Shorten it."), 500),
    (MailroomError("It failed.", fix="Mend it."), 500),
    (RuntimeError("a secret"), 500),
    (TimeoutError("a secret"), 500),
]


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda v: type(v).__name__)
async def test_an_error_becomes_a_problem_document(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> Answer:
        raise error

    with caplog.at_level(logging.ERROR):
        document = check_problem(await answer(fail), status)
    assert "a secret" not in json.dumps(document)
    assert bool(caplog.records) == (status >= 500)


async def test_an_answer_is_passed_on() -> None:
    given = json_answer(200, {"name": "Grüße"}, headers={"X-A": "1"})

    async def succeed() -> Answer:
        return given

    assert await answer(succeed) is given
    assert json.loads(given.body) == {"name": "Grüße"}
    assert given.headers == {"Cache-Control": "no-store", "X-A": "1"}
