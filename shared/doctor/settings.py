"""Settings that can be used, but are risky, contradict Office 365 or are not known."""

import difflib
from collections.abc import Callable, Sequence

from shared.doctor.finding import Finding, Patient, Severity
from shared.settings import describe_settings

_PRESET_HOSTS = {
    "office365": "smtp.office365.com",
    "hve": "smtp.hve.mx.microsoft",
    "acs": "smtp.azurecomm.net",
}
_OF_CLIENTS = {"MAILROOM_URL", "MAILROOM_KEY"}
_IMPLICIT_TLS, _RELAY = 465, 25
_HVE_RECIPIENTS = 50
# https://learn.microsoft.com/azure/app-service/reference-app-settings
_IN_AZURE = "WEBSITE_SITE_NAME"


async def check_settings(patient: Patient) -> Sequence[Finding]:
    """All that the settings alone give away."""
    found = [finding for check in _RISKS for finding in check(patient)]
    return found or [
        Finding(
            check="settings.usable", severity=Severity.OK,
            detail="All settings can be used, and none is risky.",
        )
    ]  # fmt: skip


def _server(patient: Patient) -> list[Finding]:
    settings, found = patient.settings, []
    preset = next((p for p, host in _PRESET_HOSTS.items() if host == settings.smtp_host), None)
    if preset not in {None, settings.smtp_preset}:
        found.append(
            _finding(
                Severity.WARNING, "MAILROOM_SMTP_HOST",
                f"{settings.smtp_host} is the server of the preset {preset}, but the preset is "
                f"{settings.smtp_preset}.",
                "Each service has its own limits and way to sign in, which go by the preset.",
                f"Set MAILROOM_SMTP_PRESET={preset} and leave MAILROOM_SMTP_HOST empty.",
            )
        )  # fmt: skip
    if settings.smtp_port in {_IMPLICIT_TLS, _RELAY}:
        found.append(
            _finding(
                Severity.ERROR, "MAILROOM_SMTP_PORT",
                f"Mail cannot be submitted on port {settings.smtp_port}.",
                "465 is implicit TLS, which Office 365 does not offer; 25 is for relays, and Azure "
                "blocks it.",
                "Leave MAILROOM_SMTP_PORT empty, or set 587.",
            )
        )  # fmt: skip
    if settings.smtp_preset == "hve" and settings.recipient_limit > _HVE_RECIPIENTS:
        found.append(
            _finding(
                Severity.WARNING, "MAILROOM_RECIPIENT_LIMIT",
                f"{settings.recipient_limit} recipients are accepted for a message; High Volume "
                f"Email takes {_HVE_RECIPIENTS}.",
                "The default is that of ordinary mailboxes.",
                f"Set MAILROOM_RECIPIENT_LIMIT={_HVE_RECIPIENTS}.",
            )
        )  # fmt: skip
    return found


def _senders(patient: Patient) -> list[Finding]:
    return [
        _finding(
            Severity.WARNING, sender,
            "At most 100 external recipients in 24 hours may be sent to from this address.",
            "Exchange Online caps senders of *.onmicrosoft.com (550 5.7.236).",
            "Send from a domain of your own.",
        )
        for sender in patient.settings.senders
        if sender.endswith(".onmicrosoft.com")
    ]  # fmt: skip


def _identities(patient: Patient) -> list[Finding]:
    settings, found = patient.settings, []
    mine = settings.identity_client_id.lower()
    if mine and mine == settings.client_id.lower():
        found.append(
            _finding(
                Severity.ERROR, "MAILROOM_CLIENT_ID",
                "MAILROOM_CLIENT_ID and MAILROOM_IDENTITY_CLIENT_ID are the same.",
                "The app registration that sends and the managed identity were mixed up.",
                "Set MAILROOM_CLIENT_ID to the app registration's Application (client) id.",
            )
        )  # fmt: skip
    in_azure = _IN_AZURE in patient.environment
    if in_azure and settings.identity == "developer":
        found.append(
            _finding(
                Severity.ERROR, "MAILROOM_IDENTITY",
                "MAILROOM_IDENTITY=developer, in a function app.",
                "The settings were taken over from a developer's machine.",
                "Set MAILROOM_IDENTITY=managed.",
            )
        )  # fmt: skip
    if in_azure and "AccountKey=" in settings.storage_connection:
        found.append(
            _finding(
                Severity.WARNING, "AzureWebJobsStorage",
                "Storage is used with the account key, which may do everything.",
                "A connection string was set in place of the three addresses.",
                "Remove AzureWebJobsStorage, set AzureWebJobsStorage__blobServiceUri, "
                "__queueServiceUri and __tableServiceUri, and forbid shared keys on the account.",
            )
        )  # fmt: skip
    host = patient.environment.get("AzureWebJobsStorage__clientId", "").lower()
    if not settings.storage_connection and mine and host != mine:
        found.append(
            _finding(
                Severity.ERROR, "AzureWebJobsStorage__clientId",
                "The Functions host does not use the user-assigned identity for Storage.",
                "Mailroom goes by MAILROOM_IDENTITY_CLIENT_ID, the host by a setting of its own.",
                "Set AzureWebJobsStorage__credential=managedidentity and "
                f"AzureWebJobsStorage__clientId={settings.identity_client_id}.",
            )
        )  # fmt: skip
    return found


def _unknown(patient: Patient) -> list[Finding]:
    """Misspelt settings have no effect, and nobody says so elsewhere."""
    known = {info.name for info in describe_settings()} | _OF_CLIENTS
    found = []
    for name in sorted(patient.environment):
        if name.startswith("MAILROOM_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            found.append(
                _finding(
                    Severity.WARNING, name[:100],
                    "There is no such setting: it has no effect.",
                    "It is misspelt, or of another version of Mailroom.",
                    f"Did you mean {near[0]}?" if near else "Remove it.",
                )
            )  # fmt: skip
    return found


_RISKS: tuple[Callable[[Patient], list[Finding]], ...] = (_server, _senders, _identities, _unknown)


def _finding(severity: Severity, subject: str, detail: str, cause: str, fix: str) -> Finding:
    return Finding(
        check="settings.risk", severity=severity, subject=subject, detail=detail, cause=cause,
        fix=fix,
    )  # fmt: skip
