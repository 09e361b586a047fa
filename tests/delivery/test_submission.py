"""Which server the settings mean."""

import pytest

from shared.delivery.submission import SubmissionServer, submission_server
from tests.storage.account import make_settings

OFFICE = "https://outlook.office365.com/.default"


@pytest.mark.parametrize(
    ("environment", "server"),
    [
        ({}, SubmissionServer("smtp.office365.com", 587, OFFICE)),
        (
            {"MAILROOM_SMTP_PRESET": "hve"},
            SubmissionServer("smtp.hve.mx.microsoft", 587, OFFICE),
        ),
        (
            {
                "MAILROOM_SMTP_PRESET": "acs",
                "MAILROOM_SMTP_USERNAME": "contoso.mailroom",
                "MAILROOM_CREDENTIAL": "secret",
                "MAILROOM_KEY_VAULT_URL": "https://vault.test",
            },
            SubmissionServer("smtp.azurecomm.net", 587, "", "contoso.mailroom"),
        ),
        (
            {
                "MAILROOM_SMTP_PRESET": "custom",
                "MAILROOM_SMTP_HOST": "mail.contoso.test",
                "MAILROOM_SMTP_PORT": "2587",
                "MAILROOM_TOKEN_SCOPE": "api://mail/.default",
            },
            SubmissionServer("mail.contoso.test", 2587, "api://mail/.default"),
        ),
        (
            {"MAILROOM_SMTP_HOST": "localhost", "MAILROOM_SMTP_PORT": "5587"},
            SubmissionServer("localhost", 5587, OFFICE),
        ),
        (
            {"MAILROOM_CREDENTIAL": "delegated", "MAILROOM_KEY_VAULT_URL": "https://vault.test"},
            SubmissionServer("smtp.office365.com", 587, "https://outlook.office.com/SMTP.Send"),
        ),
        (
            {"MAILROOM_SMTP_USERNAME": "only-for-acs"},
            SubmissionServer("smtp.office365.com", 587, OFFICE),
        ),
    ],
)
def test_the_server_of_the_settings(environment: dict[str, str], server: SubmissionServer) -> None:
    assert submission_server(make_settings("UseDevelopmentStorage=true", **environment)) == server
