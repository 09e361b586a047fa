"""The submission servers that Mailroom can hand mail to."""

from dataclasses import dataclass

from shared.settings import Settings, SmtpPreset


@dataclass(frozen=True, slots=True)
class SubmissionServer:
    """A server for submission with STARTTLS (RFC 6409), and how one signs in to it.

    scope: the OAuth2 scope of the token that it takes. username: who signs in with LOGIN and the
    app's client secret; "" means the mailbox, with XOAUTH2 and a token.
    """

    host: str
    port: int
    scope: str
    username: str = ""


# https://learn.microsoft.com/en-us/exchange/mail-flow-best-practices/how-to-set-up-a-multifunction-device-or-application-to-send-email-using-microsoft-365-or-office-365
# https://learn.microsoft.com/en-us/exchange/mail-flow-best-practices/high-volume-mails-m365
# https://learn.microsoft.com/en-us/azure/communication-services/concepts/email/email-smtp-overview
# (it takes the client secret by AUTH LOGIN; its service gets the token)
_PRESETS: dict[SmtpPreset, SubmissionServer] = {
    "office365": SubmissionServer(
        "smtp.office365.com", 587, "https://outlook.office365.com/.default"
    ),
    "hve": SubmissionServer("smtp.hve.mx.microsoft", 587, "https://outlook.office365.com/.default"),
    "acs": SubmissionServer("smtp.azurecomm.net", 587, ""),
    "custom": SubmissionServer("", 587, ""),
}


# A signed-in user grants a delegated permission, which has its own scope (and audience).
_DELEGATED_SCOPE = "https://outlook.office.com/SMTP.Send"


def submission_server(settings: Settings) -> SubmissionServer:
    """The server that the settings name: a preset, and what they override of it."""
    preset = _PRESETS[settings.smtp_preset]
    return SubmissionServer(
        settings.smtp_host or preset.host,
        settings.smtp_port or preset.port,
        settings.token_scope
        or (_DELEGATED_SCOPE if settings.credential == "delegated" else preset.scope),
        settings.smtp_username if settings.smtp_preset == "acs" else "",
    )
