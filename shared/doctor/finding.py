"""What a check finds, and what it may look at."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from shared.accounts import Accounts
from shared.settings import Settings
from shared.storage.connection import StorageConnection


class Severity(IntEnum):
    """How bad a finding is; the worst one is the doctor's exit code.

    OK: as it should be. NOTE: worth knowing. WARNING: works now, but will not for ever or not for
    everybody. ERROR: mail is not sent, or not read, until this is mended.
    """

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    check: its stable name, as `smtp.sign-in`. subject: what it is about, as a mailbox or a domain;
    "" for the whole. detail: what was seen. cause: what that usually comes from. fix: what to do.
    No text ever holds a secret or a token.
    """

    check: str
    severity: Severity
    detail: str
    subject: str = ""
    cause: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is examined. environment: the process's, for what the Functions host reads itself."""

    settings: Settings
    accounts: Accounts
    storage: StorageConnection
    environment: Mapping[str, str]
    clock: Callable[[], datetime]


# A check returns at least one finding; what it raises becomes an error of its own.
Check = Callable[[Patient], Awaitable[Sequence[Finding]]]
