"""Key Vault: may its secrets be read, do they live on, and are they what they should be?"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.accounts.keyvault import KeyVault, SecretState
from shared.accounts.signing import SHORTEST_KEY
from shared.doctor.finding import Finding, Patient, Severity
from shared.errors import CredentialError

WARN_BEFORE = timedelta(days=30)

_SUCCESSOR = "Make a successor where the secret comes from and store it as a new version of {name}."
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CAUSES = {
    "secret_not_found": "It was never stored, is named otherwise, or was deleted.",
    "secret_disabled": "Somebody switched its newest version off, as after a leak.",
    "key_vault_denied": "The identity has no role on this vault, or has had it for minutes only.",
    "key_vault_firewall": "The vault is open to chosen networks only.",
    "key_vault_unknown": "MAILROOM_KEY_VAULT_URL names something else.",
}


async def check_credential_secret(patient: Patient) -> Sequence[Finding]:
    """The secret that proves who the app is; nothing for a federated credential."""
    settings, vault = patient.settings, patient.accounts.vault
    if settings.credential == "federated" or vault is None:
        return [_ok("vault.credential", "", "The credential is federated: there is no secret.")]
    name = settings.credential_name
    findings = await _examine("vault.credential", vault, name, patient.clock())
    if settings.credential != "secret" or _has_error(findings):
        return findings
    secret = await vault.secret(name)
    if _GUID.fullmatch(secret.value.strip()):
        findings.append(
            Finding(
                check="vault.secret-id",
                severity=Severity.ERROR,
                subject=name,
                detail=f"The value of {name} has the form of an id.",
                cause="The portal shows a client secret's Secret ID beside its Value, and the id "
                "was copied.",
                fix="Make a new client secret in the app registration and store its Value (it is "
                f"shown once) as a new version of {name}.",
            )
        )
    return findings


async def check_signing_key(patient: Patient) -> Sequence[Finding]:
    """The key that marks in mail and links are signed with."""
    vault, name = patient.accounts.vault, patient.settings.signing_key_name
    if vault is None:
        return [
            Finding(
                check="vault.signing-key",
                severity=Severity.NOTE,
                detail="There is no Key Vault: nothing is signed.",
                cause="MAILROOM_KEY_VAULT_URL is empty, as a federated credential allows.",
                fix="Set MAILROOM_KEY_VAULT_URL if links to unsubscribe, secure links or signed "
                "marks of returned mail are wanted.",
            )
        ]
    findings = await _examine(
        "vault.signing-key", vault, name, patient.clock(), absent=Severity.WARNING
    )
    if any(finding.severity > Severity.OK for finding in findings):
        return findings
    newest = await vault.secret(name)
    if len(newest.value) < SHORTEST_KEY:
        return [
            Finding(
                check="vault.signing-key",
                severity=Severity.WARNING,
                subject=name,
                detail=f"The signing key has fewer than {SHORTEST_KEY} characters and is not used.",
                cause="A short word was stored in place of a random value.",
                fix=f"Store a long random value as a new version of {name}: "
                "`openssl rand -base64 48`.",
            )
        ]
    return findings


async def _examine(
    check: str, vault: KeyVault, name: str, now: datetime, *, absent: Severity = Severity.ERROR
) -> list[Finding]:
    try:
        newest = await vault.newest(name)
        if newest is not None and newest.enabled:
            await vault.secret(name)
    except CredentialError as error:
        severity = absent if error.code == "secret_not_found" else Severity.ERROR
        return [_refused(check, name, error, severity)]
    if newest is None:
        return [
            Finding(
                check=check, severity=absent, subject=name,
                detail=f"There is no secret {name} in the Key Vault.",
                cause=_CAUSES["secret_not_found"],
                fix="Create it, or set the name in MAILROOM_CREDENTIAL_NAME or "
                "MAILROOM_SIGNING_KEY_NAME to the one to use.",
            )
        ]  # fmt: skip
    if not newest.enabled:
        return [
            Finding(
                check=check, severity=Severity.ERROR, subject=name,
                detail=f"The newest version of {name} is disabled.",
                cause=_CAUSES["secret_disabled"],
                fix="Enable it, or store a new version.",
            )
        ]  # fmt: skip
    return [_aged(check, name, newest, now)]


def _aged(check: str, name: str, state: SecretState, now: datetime) -> Finding:
    fix = _SUCCESSOR.format(name=name)
    end, begin = state.expires_on, state.not_before
    if end is not None and end <= now:
        return Finding(
            check=check, severity=Severity.ERROR, subject=name, fix=fix,
            detail=f"{name} expired on {end:%Y-%m-%d}.",
            cause="Nobody replaced it in time.",
        )  # fmt: skip
    if begin is not None and begin > now:
        return Finding(
            check=check, severity=Severity.WARNING, subject=name,
            detail=f"{name} is not valid before {begin:%Y-%m-%d %H:%M} UTC.",
            cause="Its activation date lies ahead, or this machine's clock is slow.",
            fix="Correct the activation date of the newest version, or wait.",
        )  # fmt: skip
    if end is not None and end - now < WARN_BEFORE:
        return Finding(
            check=check, severity=Severity.WARNING, subject=name, fix=fix,
            detail=f"{name} expires on {end:%Y-%m-%d}, in {(end - now).days} days.",
            cause="Its life is nearly over; afterwards no mail is sent.",
        )  # fmt: skip
    life = f"until {end:%Y-%m-%d}" if end else "without an end (set one, to be warned before it)"
    return _ok(check, name, f"{name} can be read and is valid {life}.")


def _refused(check: str, name: str, error: CredentialError, severity: Severity) -> Finding:
    return Finding(
        check=check, severity=severity, subject=name, detail=error.detail, fix=error.fix,
        cause=_CAUSES.get(error.code, "Key Vault, or the identity that asks it, is not available."),
    )  # fmt: skip


def _ok(check: str, subject: str, detail: str) -> Finding:
    return Finding(check=check, severity=Severity.OK, subject=subject, detail=detail)


def _has_error(findings: Sequence[Finding]) -> bool:
    return any(finding.severity == Severity.ERROR for finding in findings)
