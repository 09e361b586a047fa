"""Whether Azure knows the app: the managed identity, or the developer on this machine."""

from collections.abc import Sequence

from shared.doctor.claims import read_claims
from shared.doctor.finding import Finding, Patient, Severity
from shared.errors import CredentialError
from shared.settings import Settings

_CAUSES = {
    "identity_not_assigned": "The client id is mistyped, is an object id, or the identity was "
    "never assigned to this function app.",
    "no_identity": "No managed identity is switched on, or this is no function app in Azure.",
    "no_developer": "MAILROOM_IDENTITY=developer uses whoever is signed in, and nobody is.",
    "identity_refused": "The process's identity header is not the endpoint's.",
}


def _resource(settings: Settings) -> str:
    """For what the identity is needed, as a scope; "" if for nothing."""
    if settings.credential == "federated":
        return "api://AzureADTokenExchange/.default"
    if settings.key_vault_url:
        return "https://vault.azure.net/.default"
    return "" if settings.storage_connection else "https://storage.azure.com/.default"


async def check_identity(patient: Patient) -> Sequence[Finding]:
    """A token of the app's own identity, and whose it is."""
    scope = _resource(patient.settings)
    if not scope:
        return [
            Finding(
                check="identity.token",
                severity=Severity.OK,
                detail="The settings need no managed identity.",
            )
        ]
    try:
        token = await patient.accounts.credential.get_token(scope)
    except CredentialError as error:
        return [
            Finding(
                check="identity.token",
                severity=Severity.ERROR,
                subject=patient.settings.identity_client_id,
                detail=error.detail,
                cause=_CAUSES.get(error.code, "The identity endpoint does not answer."),
                fix=error.fix,
            )
        ]
    claims = read_claims(token.token) or {}
    return [
        Finding(
            check="identity.token",
            severity=Severity.OK,
            subject=str(claims.get("appid") or claims.get("azp") or ""),
            detail=f"Azure knows the app as the principal {claims.get('oid', '(not said)')}: roles "
            "on Key Vault and Storage, and a federated credential's subject, go to this id.",
        )
    ]
