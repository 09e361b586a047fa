"""Entra's refusals as Mailroom's errors."""

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.entra.errors import KINDS, EntraError
from local.web import utc_now
from shared.accounts.aadsts import CAUSES, REPLACEABLE, SIGN_IN_AGAIN, read_refusal
from shared.errors import CredentialError, CredentialUnavailableError

CORRELATION = "0b6a3c5e-1111-4222-8333-444455556666"


def entra_answer(code: int) -> tuple[int, dict[str, object]]:
    """Status and JSON as the local Entra ID gives them, whatever the text's blanks are."""
    blanks = dict.fromkeys(re.findall(r"{(\w+)}", KINDS[code].text), "x")
    error = EntraError(code, **blanks)
    return error.status, error.body(utc_now(), CORRELATION)


FIXES = {
    7000215: "Value (not its Secret ID)",
    7000222: "MAILROOM_CREDENTIAL_NAME",
    700016: "MAILROOM_CLIENT_ID",
    90002: "MAILROOM_TENANT_ID",
    700027: "Upload the public part",
    700024: "clock",
    700211: "issuer",
    700212: "audience api://AzureADTokenExchange",
    700213: "object (principal) id",
    70021: "federated credential",
    70025: "federated credential",
    1002012: "/.default",
    70011: "/.default",
    500011: "Exchange Online",
    65001: "admin consent",
    700082: "make login",
    70008: "make login",
    50173: "make login",
    50034: "make login",
    9002313: "make login",
    70016: "make login",
    70020: "make login",
    65004: "make login",
    7000218: "Allow public client flows",
    7000112: "Enabled for users to sign in",
    5002723: "certificate in Key Vault",
}


@pytest.mark.parametrize(("code", "fix"), FIXES.items(), ids=str)
def test_each_refusal_of_entra_names_its_fix_and_the_ids_for_support(code: int, fix: str) -> None:
    status, body = entra_answer(code)
    error = read_refusal(body, status=status)
    assert type(error) is CredentialError
    assert error.code == f"AADSTS{code}"
    assert fix in error.fix
    assert str(error).startswith(f"AADSTS{code}: ")
    assert f"correlation {CORRELATION}" in error.detail
    assert f"trace {body['trace_id']}" in error.detail


@pytest.mark.parametrize("code", [50076, 50079, 50074, 53003, 53000, 50158, 50105, 7000229])
def test_refusals_that_only_the_real_entra_gives_have_a_fix_too(code: int) -> None:
    body = {"error": "invalid_grant", "error_description": f"AADSTS{code}: Text. Trace ID: x"}
    error = read_refusal(body, status=400)
    assert error.code == f"AADSTS{code}"
    assert error.fix == CAUSES[code].fix


@pytest.mark.parametrize("code", [90033, 90055, 50000])
def test_trouble_at_entra_is_worth_another_try(code: int) -> None:
    status, body = entra_answer(code)
    error = read_refusal(body, status=status, retry_after=7.0)
    assert isinstance(error, CredentialUnavailableError)
    assert error.retry_after == 7.0


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_status_alone_tells_trouble(status: int) -> None:
    error = read_refusal({}, status=status)
    assert isinstance(error, CredentialUnavailableError)
    assert error.code == f"HTTP {status}"


def test_every_cause_has_a_sentence_and_a_fix() -> None:
    for number, cause in CAUSES.items():
        assert cause.detail.endswith("."), number
        assert cause.fix.endswith("."), number
    coded = {f"AADSTS{number}" for number in CAUSES}
    assert coded >= REPLACEABLE
    assert {code for code in SIGN_IN_AGAIN if code.startswith("AADSTS")} <= coded


def test_an_unknown_code_keeps_its_first_sentence_alone() -> None:
    body = {
        "error": "invalid_request",
        "error_description": "AADSTS123456: The moon is full. Ask again tomorrow.\r\nTrace ID: 1",
        "error_codes": [123456],
    }
    error = read_refusal(body, status=400)
    assert error.code == "AADSTS123456"
    assert "The moon is full." in error.detail
    assert "tomorrow" not in str(error)
    assert "Trace" not in str(error)


def test_a_grant_that_is_refused_without_a_code_asks_for_a_new_sign_in() -> None:
    error = read_refusal({"error": "invalid_grant"}, status=400)
    assert error.code == "invalid_grant"
    assert error.code in SIGN_IN_AGAIN
    assert "make login" in error.fix


secrets = st.text("abcdefghijABCDEFGHIJ0123456789~._-", min_size=40, max_size=120)
junk = st.none() | st.integers() | st.text() | st.lists(st.integers() | st.text(), max_size=2)


@given(before=st.text(max_size=30), secret=secrets, after=st.text(max_size=30))
def test_whatever_looks_like_a_secret_is_left_out(before: str, secret: str, after: str) -> None:
    description = f"AADSTS999999: {before} {secret} {after}"
    body = {"error_description": description, "correlation_id": secret, "trace_id": secret}
    assert secret not in str(read_refusal(body, status=400))


@given(
    body=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("error", "error_description", "error_codes", "correlation_id", "trace_id"), junk
        ),
    ),
    status=st.integers(400, 599),
)
def test_any_answer_can_be_read(body: dict[str, object], status: int) -> None:
    error = read_refusal(body, status=status)
    assert error.code
    assert error.fix


def test_ids_that_are_none_are_not_shown() -> None:
    error = read_refusal({"correlation_id": str(uuid.UUID(int=1)), "trace_id": "<b>"}, status=400)
    assert "correlation 00000000-0000-0000-0000-000000000001)" in error.detail
