"""The tokens: for whom, from which tenant, for how long, and for no more than is needed.

Permissions: learn.microsoft.com/exchange/client-developer/legacy-protocols (SMTP.SendAsApp,
IMAP.AccessAsApp) and learn.microsoft.com/exchange/permissions-exo/application-rbac.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.delivery.submission import submission_server
from shared.doctor.claims import read_claims, words
from shared.doctor.finding import Finding, Patient, Severity
from shared.errors import CredentialError
from shared.inbox.opening import reading_scope
from shared.settings import Settings

_EXCHANGE = frozenset(
    {
        "https://outlook.office365.com", "https://outlook.office.com",
        "00000002-0000-0ff1-ce00-000000000000",
    }
)  # fmt: skip
_GRAPH_ID = "00000003-0000-0000-c000-000000000000"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REDUCE = (
    "Remove {roles} from the app registration's API permissions and revoke the consent. Where "
    "mailboxes must be read, assign the role in Exchange Online's RBAC for Applications, with a "
    "management scope of these mailboxes alone."
)


async def check_token(patient: Patient) -> Sequence[Finding]:
    """The token that signs in at the submission server."""
    settings = patient.settings
    server = submission_server(settings)
    if server.username:
        return [
            Finding(
                check="token.obtained", severity=Severity.OK,
                detail="Azure Communication Services takes the client secret itself: there is no "
                "token to look at.",
            )
        ]  # fmt: skip
    try:
        token = await patient.accounts.tokens.token(server.scope, mailbox=settings.mailboxes[0])
    except CredentialError as error:
        return [_refused("token.obtained", error, Severity.ERROR)]
    minutes = (token.expires_at - patient.clock()).total_seconds() / 60
    findings = [
        Finding(
            check="token.obtained", severity=Severity.OK, subject=settings.client_id,
            detail=f"Entra ID gave a token that lives for {minutes:.0f} minutes.",
        )
    ]  # fmt: skip
    claims = read_claims(token.value)
    if claims is None:
        return [*findings, _opaque()]
    allowed = _EXCHANGE if settings.smtp_preset in {"office365", "hve"} else _resource(server.scope)
    findings += [_audience(claims, allowed), *_issuer(claims, settings)]
    if settings.credential == "delegated":
        return [*findings, *_delegated(claims)]
    # Roles of another audience are another matter, and it must be put right first.
    return [*findings, *_roles(claims, settings)] if _fits(claims, allowed) else findings


async def check_graph_token(patient: Patient) -> Sequence[Finding]:
    """What the app may do in Microsoft Graph: nothing, or what reading returned mail needs."""
    settings = patient.settings
    needed = settings.returned_mail == "graph"
    if settings.credential == "delegated" or submission_server(settings).username:
        return [
            Finding(
                check="token.graph", severity=Severity.OK,
                detail="With this credential Mailroom asks for no token of Microsoft Graph.",
            )
        ]  # fmt: skip
    scope = reading_scope(settings) if needed else "https://graph.microsoft.com/.default"
    try:
        token = await patient.accounts.tokens.token(scope)
    except CredentialError as error:
        return [_refused("token.graph", error, Severity.ERROR if needed else Severity.NOTE)]
    claims = read_claims(token.value) or {}
    allowed = _resource(scope) | {_GRAPH_ID}
    findings = [_audience(claims, allowed, check="token.graph")] if needed else []
    excess = words(claims, "roles")
    if excess:
        named = ", ".join(sorted(excess))
        findings.append(
            Finding(
                check="token.over-privilege", severity=Severity.WARNING, subject=named,
                detail=f"The token of Microsoft Graph carries {named}: for every mailbox of the "
                "tenant.",
                cause="These application permissions were consented to in Entra ID, which knows no "
                "scope of mailboxes; Mailroom sends by SMTP and needs none of them there.",
                fix=_REDUCE.format(roles=named),
            )
        )  # fmt: skip
    return findings or [
        Finding(
            check="token.graph", severity=Severity.OK,
            detail="The app holds no tenant-wide permission of Microsoft Graph.",
        )
    ]  # fmt: skip


def _refused(check: str, error: CredentialError, severity: Severity) -> Finding:
    return Finding(
        check=check, severity=severity, subject=error.code, detail=error.detail, fix=error.fix,
        cause="Entra ID refused the app, or what proves who it is could not be had.",
    )  # fmt: skip


def _opaque() -> Finding:
    return Finding(
        check="token.claims", severity=Severity.NOTE,
        detail="The token cannot be read, so its claims were not looked at.",
        cause="Not every service's tokens are JSON Web Tokens.",
        fix="Nothing, if the submission server takes it.",
    )  # fmt: skip


def _resource(scope: str) -> frozenset[str]:
    """The audiences that fit a scope: its resource."""
    return frozenset({scope.removesuffix("/.default").rstrip("/")})


def _fits(claims: Mapping[str, Any], allowed: frozenset[str]) -> bool:
    return str(claims.get("aud", "")).rstrip("/").lower() in allowed


def _audience(
    claims: Mapping[str, Any], allowed: frozenset[str], *, check: str = "token.audience"
) -> Finding:
    audience = str(claims.get("aud", ""))
    if _fits(claims, allowed):
        return Finding(
            check=check, severity=Severity.OK, subject=audience,
            detail="The token is for the service that it is shown to.",
        )  # fmt: skip
    wanted = min(allowed, key=lambda name: (not name.startswith("https:"), name != _FIRST, name))
    setting = "MAILROOM_RETURNED_SCOPE" if check == "token.graph" else "MAILROOM_TOKEN_SCOPE"
    return Finding(
        check=check, severity=Severity.ERROR, subject=audience,
        detail=f"The token's audience is {audience or 'missing'}, not {wanted}.",
        cause=f"{setting} names another service; a token is for one service only.",
        fix=f"Leave {setting} empty, or set it to {wanted}/.default.",
    )  # fmt: skip


_FIRST = "https://outlook.office365.com"


def _issuer(claims: Mapping[str, Any], settings: Settings) -> list[Finding]:
    """Whether tenant and app are those of the settings; a domain cannot be compared."""
    findings = []
    tenant, app = str(claims.get("tid", "")), str(claims.get("appid") or claims.get("azp") or "")
    if _GUID.fullmatch(settings.tenant_id) and tenant.lower() != settings.tenant_id.lower():
        findings.append(
            Finding(
                check="token.tenant", severity=Severity.ERROR, subject=tenant,
                detail=f"The token is of the tenant {tenant}, not of {settings.tenant_id}.",
                cause="MAILROOM_TENANT_ID is not the mailboxes' tenant, or the app or user is a "
                "guest from another one.",
                fix="Set MAILROOM_TENANT_ID to the Directory (tenant) id of the mailboxes.",
            )
        )  # fmt: skip
    if app.lower() != settings.client_id.lower():
        findings.append(
            Finding(
                check="token.app", severity=Severity.ERROR, subject=app,
                detail=f"The token is of the app {app}, not of {settings.client_id}.",
                cause="MAILROOM_CLIENT_ID is an object id, or of another app registration.",
                fix="Set MAILROOM_CLIENT_ID to the Application (client) id.",
            )
        )  # fmt: skip
    return findings or [
        Finding(
            check="token.issuer", severity=Severity.OK, subject=app,
            detail=f"Tenant and app are those of the settings; the enterprise application's object "
            f"id, which New-ServicePrincipal wants, is {claims.get('oid', '(not said)')}.",
        )
    ]  # fmt: skip


def _delegated(claims: Mapping[str, Any]) -> list[Finding]:
    held = words(claims, "scp")
    excess = sorted(held - {"SMTP.Send", "User.Read", "offline_access", "openid", "profile"})
    findings = []
    if "SMTP.Send" not in held:
        findings.append(
            Finding(
                check="token.permission", severity=Severity.ERROR,
                detail="The user's token does not carry SMTP.Send.",
                cause="It was not consented to, or MAILROOM_TOKEN_SCOPE asks for something else.",
                fix="Grant SMTP.Send (delegated) and run `make login` again.",
            )
        )  # fmt: skip
    if excess:
        findings.append(_excess(excess))
    return findings or [
        Finding(
            check="token.permission", severity=Severity.OK, subject=str(claims.get("upn", "")),
            detail="The user's token carries SMTP.Send and nothing more.",
        )
    ]  # fmt: skip


def _roles(claims: Mapping[str, Any], settings: Settings) -> list[Finding]:
    """Which of the two ways lets the app send (office365 and hve), and what it holds beyond."""
    held = words(claims, "roles")
    if settings.smtp_preset not in {"office365", "hve"}:
        return []
    needed = "Mail.Send" if settings.smtp_preset == "hve" else "SMTP.SendAsApp"
    allowed = {needed} | ({"IMAP.AccessAsApp"} if settings.returned_mail == "imap" else set())
    excess = sorted(held - allowed)
    findings = [_excess(excess)] if excess else []
    return [_way(held, needed, str(claims.get("oid", ""))), *findings]


def _way(held: frozenset[str], needed: str, object_id: str) -> Finding:
    if needed in held:
        return Finding(
            check="token.way", severity=Severity.NOTE, subject=needed,
            detail=f"Way A: the token carries {needed}, and the mailbox's permissions decide.",
            cause="The permission was consented to in Entra ID. If a role of RBAC for Applications "
            "is assigned as well, both are at work at once, and the mailbox permission is asked "
            "for in spite of the role; a token cannot show that.",
            fix=f"See whether `Get-ManagementRoleAssignment -RoleAssignee {object_id}` lists "
            f"'Application {needed}'. If so, remove one of the two: better the permission, as the "
            "role is for chosen mailboxes only.",
        )  # fmt: skip
    if not held:
        return Finding(
            check="token.way", severity=Severity.NOTE, subject="RBAC for Applications",
            detail="Way B: the token carries no roles, so a role of RBAC for Applications must let "
            "the app send.",
            cause=f"{needed} is not consented to in Entra ID. That is right for way B, and a fault "
            "for way A (mailbox permission).",
            fix=f"If sign-in is refused (535 5.7.3): for way B assign 'Application {needed}' with "
            "New-ManagementRoleAssignment and wait up to 2 hours; for way A grant "
            f"{needed} of Office 365 Exchange Online (not of Microsoft Graph), with admin consent.",
        )  # fmt: skip
    return Finding(
        check="token.way", severity=Severity.WARNING, subject=needed,
        detail=f"The token carries {', '.join(sorted(held))}, but not {needed}.",
        cause=f"Another permission was consented to in place of {needed}.",
        fix=f"Grant {needed} of Office 365 Exchange Online (not of Microsoft Graph), with admin "
        "consent, or remove all permissions and use RBAC for Applications.",
    )  # fmt: skip


def _excess(names: Sequence[str]) -> Finding:
    named = ", ".join(names)
    return Finding(
        check="token.over-privilege", severity=Severity.WARNING, subject=named,
        detail=f"The token carries more than Mailroom needs with these settings: {named}.",
        cause="More was consented to than sending takes; who steals the token may do it too.",
        fix=_REDUCE.format(roles=named),
    )  # fmt: skip
