"""The examination: all checks side by side, each with a time limit of its own."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.accounts import open_accounts
from shared.doctor.clock import check_clock
from shared.doctor.dates import check_known_dates
from shared.doctor.domains import check_domains
from shared.doctor.finding import Check, Finding, Patient, Severity
from shared.doctor.identity import check_identity
from shared.doctor.returned_mail import check_returned_mail
from shared.doctor.settings import check_settings
from shared.doctor.storage import check_containers, check_queues, check_tables
from shared.doctor.submission import check_submission
from shared.doctor.token import check_graph_token, check_token
from shared.doctor.vault import check_credential_secret, check_signing_key
from shared.errors import MailroomError, SettingsError
from shared.settings import Settings, load_settings
from shared.storage.connection import StorageConnection

logger = logging.getLogger(__name__)

CHECKS: tuple[Check, ...] = (
    check_settings,
    check_identity,
    check_credential_secret,
    check_signing_key,
    check_token,
    check_graph_token,
    check_submission,
    check_queues,
    check_tables,
    check_containers,
    check_returned_mail,
    check_domains,
    check_clock,
    check_known_dates,
)

# Longer than Key Vault or identity take to give up (9 seconds), and short enough that with a
# request to Entra still in its thread (10 seconds at most) an examination ends within 20.
PATIENCE = 9.8  # seconds


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Examination:
    """The findings, in the order of the checks, and when they were made (UTC)."""

    at: datetime
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Severity:
        return max((finding.severity for finding in self.findings), default=Severity.OK)


async def examine(
    patient: Patient, *, checks: Sequence[Check] = CHECKS, patience: float = PATIENCE
) -> Examination:
    """Runs the checks. patience: seconds that each one may take."""
    at = patient.clock()
    found = await asyncio.gather(*(_run(check, patient, patience) for check in checks))
    return Examination(at, tuple(finding for findings in found for finding in findings))


async def examine_settings(
    settings: Settings,
    environment: Mapping[str, str],
    *,
    clock: Callable[[], datetime] = _utc_now,
    checks: Sequence[Check] = CHECKS,
    patience: float = PATIENCE,
) -> Examination:
    """Examines with connections of its own: it meets what an instance that starts now would."""
    accounts = open_accounts(settings, clock=clock)
    storage = StorageConnection(settings, accounts)
    patient = Patient(
        settings=settings,
        accounts=accounts,
        storage=storage,
        environment=environment,
        clock=clock,
    )
    try:
        return await examine(patient, checks=checks, patience=patience)
    finally:
        await storage.aclose()
        await accounts.aclose()


async def examine_environment(environment: Mapping[str, str]) -> Examination:
    """As `examine_settings`; settings that cannot be used are then the only finding."""
    try:
        settings = load_settings(environment)
    except SettingsError as error:
        return Examination(_utc_now(), (_unusable(error),))
    return await examine_settings(settings, environment)


def _unusable(error: SettingsError) -> Finding:
    return Finding(
        check="settings.usable",
        severity=Severity.ERROR,
        subject=", ".join(error.names),
        detail=error.detail,
        cause="Settings are missing, cannot be read or contradict each other; nothing else can be "
        "looked at before they are right.",
        fix=error.fix,
    )


async def _run(check: Check, patient: Patient, patience: float) -> Sequence[Finding]:
    name = getattr(check, "__name__", "check").removeprefix("check_").replace("_", "-")
    try:
        async with asyncio.timeout(patience):
            return await check(patient)
    except TimeoutError:
        detail = f"No answer within {patience:g} seconds."
        cause = "What is asked does not answer, or the network swallows what is sent to it."
        fix = "Check its address in the settings, firewalls and private endpoints."
    except MailroomError as error:
        detail, cause, fix = error.detail, "The check could not be completed.", error.fix
    except Exception as error:
        # Its text may hold what was sent: a type is enough here, the log says where.
        logger.exception("the doctor's check %s failed unexpectedly", name)
        detail = f"The check itself failed: {type(error).__name__}."
        cause = "Something answered in a way that Mailroom does not know."
        fix = "See the log for where, and report it."
    return [
        Finding(
            check=f"{name}.failed", severity=Severity.ERROR, detail=detail, cause=cause, fix=fix
        )
    ]
