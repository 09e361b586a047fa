"""The errors of Mailroom, as a tree.

    MailroomError                 everything below; carries what went wrong and its fix
    ├── SettingsError             the app's settings are missing or contradict each other
    ├── InvalidMessageError       a message is refused; carries one Problem for each fault
    ├── ConflictError             the state of what is addressed does not allow it
    │   ├── AlreadyExistsError    …because there is one already
    │   ├── ChangedError          …because somebody else changed it meanwhile
    │   └── PreconditionError     …because it is not as the caller's If-Match or If-None-Match says
    ├── NotFoundError             nothing is known under this id
    │   └── UnknownTemplateError  …no template has this name or version
    ├── TemplateError             a template, or the data it is given, cannot be rendered
    │   ├── TemplateLimitError    …within the bounds of time, memory and output
    │   └── TemplateDataError     …because the data does not fit the template's schema
    ├── CredentialError           no credential, or no token, can be had
    │   └── CredentialUnavailableError   …for now: worth trying again later
    ├── StorageUnavailableError   Azure Storage does not answer: worth trying again later
    │   └── PartlyAcceptedError   …and part of a batch is recorded: repeat it under its key
    ├── InboxError                a mailbox cannot be read, or its mail not be put away
    │   └── InboxUnavailableError …for now: worth trying again later
    ├── FileUnavailableError      a file cannot be fetched for now: worth trying again later
    ├── AddressError              what should be an address is none
    ├── InvalidEventError         a queue message is no event that Mailroom understands
    ├── UnauthenticatedError      a request does not prove whose it is
    ├── ForbiddenError            its caller may not do that
    ├── CallerKeysUnavailableError  nobody can tell whose it is: worth trying again later
    └── ComposeError              a message cannot be turned into standards-true MIME

No error ever holds a secret, a token or a message's content.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One fault of a message.

    field: the JSON pointer (RFC 6901) of the offending value, "" for the whole body.
    detail: what is wrong, without repeating the value. fix: what the caller can do about it.
    """

    field: str
    detail: str
    fix: str

    def __str__(self) -> str:
        return f"{self.field or 'message'}: {self.detail} {self.fix}".rstrip()


class MailroomError(Exception):
    """Base of all errors of Mailroom. `fix` tells what an operator or caller does about it."""

    def __init__(self, detail: str, *, fix: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.detail} {self.fix}".rstrip()


class SettingsError(MailroomError, ValueError):
    """The settings cannot be used; `names` lists the settings concerned."""

    def __init__(self, detail: str, *, fix: str = "", names: Sequence[str] = ()) -> None:
        super().__init__(detail, fix=fix)
        self.names = tuple(names)


class InvalidMessageError(MailroomError, ValueError):
    """A message is refused; `problems` has one entry for each fault found."""

    def __init__(self, problems: Sequence[FieldProblem], *, status: int = 422) -> None:
        super().__init__("; ".join(str(p) for p in problems) or "The message is not valid.")
        self.problems = tuple(problems)
        self.status = status


class ConflictError(MailroomError):
    """The state of what is addressed does not allow what was asked for."""


class AlreadyExistsError(ConflictError):
    """What was to be created exists."""


class ChangedError(ConflictError):
    """What was read has been changed by somebody else since."""


class PreconditionError(ConflictError):
    """What is addressed is not in the state that the caller's If-Match or If-None-Match names."""


class NotFoundError(MailroomError, LookupError):
    """Nothing is known under the given id."""


class UnknownTemplateError(NotFoundError):
    """No template has this name, or no such version of it is there."""


class TemplateError(MailroomError, ValueError):
    """A template cannot be rendered, or is not valid.

    file, line: where in the template's sources (1 is the first line; 0: nowhere in particular).
    path: the value that is missing or wrong, such as `data.items[3].price`; "" where none is.
    """

    def __init__(
        self, detail: str, *, fix: str = "", file: str = "", line: int = 0, path: str = ""
    ) -> None:
        super().__init__(detail, fix=fix)
        self.file = file
        self.line = line
        self.path = path

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {super().__str__()}" if place else super().__str__()


class TemplateLimitError(TemplateError):
    """A rendering overran its bounds of time, memory or output."""


class TemplateDataError(TemplateError):
    """The data does not fit the template's schema; `problems` point into the data."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class CredentialError(MailroomError):
    """No credential or token can be had; `code` is the AADSTS code or a name of our own."""

    def __init__(self, detail: str, *, fix: str = "", code: str = "") -> None:
        super().__init__(detail, fix=fix)
        self.code = code


class CredentialUnavailableError(CredentialError, ConnectionError):
    """Key Vault, the identity endpoint or Entra ID does not answer: a later try may succeed.

    `retry_after` is in seconds, None where the service named none.
    """

    def __init__(
        self, detail: str, *, fix: str = "", code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(detail, fix=fix, code=code)
        self.retry_after = retry_after


class StorageUnavailableError(MailroomError, ConnectionError):
    """Azure Storage does not answer, or refuses for now."""


class PartlyAcceptedError(StorageUnavailableError):
    """Storage failed within a batch; `fix` tells the caller how to complete it."""


class InboxError(MailroomError):
    """A mailbox cannot be read, or its mail cannot be marked or moved."""


class InboxUnavailableError(InboxError, ConnectionError):
    """The mailbox cannot be read for now. `retry_after` is in seconds, None if nobody said."""

    def __init__(self, detail: str, *, fix: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail, fix=fix)
        self.retry_after = retry_after


class FileUnavailableError(MailroomError, ConnectionError):
    """The server of a file to be attached does not answer, or fails for now."""


class UnauthenticatedError(MailroomError):
    """A request comes without a token, or with one that does not count.

    `error` is RFC 6750's code, "" where no token was sent.
    """

    def __init__(self, detail: str, *, fix: str = "", error: str = "") -> None:
        super().__init__(detail, fix=fix)
        self.error = error


class ForbiddenError(MailroomError):
    """The caller is known, and may not do what was asked. `error` as in UnauthenticatedError."""

    def __init__(self, detail: str, *, fix: str = "", error: str = "") -> None:
        super().__init__(detail, fix=fix)
        self.error = error


class CallerKeysUnavailableError(MailroomError, ConnectionError):
    """The keys by which tokens are checked cannot be fetched for now."""


class ComposeError(MailroomError, ValueError):
    """A message cannot be turned into standards-true MIME."""
