"""The whole of Mailroom on its local stack, and a watch over what it lets slip."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.office365 import Limits
from local.stack import LocalStack, StackOptions
from tests.end_to_end.branch import Branch
from tests.end_to_end.caller import Caller, calling
from tests.end_to_end.faults import OpenBranch, Waiting, meet_faults
from tests.end_to_end.leaks import Leak, Secrets, find_leaks

MEBIBYTE = 1024 * 1024

# Nothing waits for a limit that a test is not about; three connections a mailbox stay the rule.
LIMITS = Limits(
    messages_per_minute=None,
    recipients_per_day=None,
    tenant_external_recipients_per_day=None,
)
# The host looks at the queue often enough for tests; else it is the app of host.json.
FAST = {"AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.2"}

SENDERS = """{
    "billing@contoso.test": "billing@contoso.test",
    "alerts@contoso.test": "alerts@contoso.test",
    "closed@contoso.test": "closed@contoso.test",
    "missing@contoso.test": "missing@contoso.test",
    "team@contoso.test": "alerts@contoso.test"
}"""


_FIRST, _LAST = ("test_faults.py",), ("test_mended.py", "test_secrecy.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All other tests come before these. Among these, messages that wait for their retry begin to
    wait before the rest runs, and what has leaked is looked for at the very end."""

    def order(item: pytest.Item) -> int:
        if Path(__file__).parent not in item.path.parents:
            return 0
        if item.path.name in _LAST:
            return 3 + _LAST.index(item.path.name)
        return 1 if item.path.name in _FIRST else 2

    items.sort(key=order)


class _Records(logging.Handler):
    """Keeps what this process logs, with its exceptions, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


_records = _Records()


def pytest_configure() -> None:
    """From here on, before the first test of all: whatever other tests log is searched as well."""
    logging.getLogger().addHandler(_records)


def pytest_unconfigure() -> None:
    logging.getLogger().removeHandler(_records)


@dataclass
class Witness:
    """What is known to be secret, and what this process has logged."""

    records: _Records
    secrets: Secrets = field(default_factory=Secrets)

    async def leaks(self, caller: Caller) -> set[Leak]:
        """What slipped into anything that a stack has written and said, or this process logged."""
        return (
            await find_leaks(caller.stack, self.secrets)
            | self.secrets.find("answers", "\n".join(caller.answers).encode())
            | self.secrets.find("this process's log", "\n".join(self.records.lines).encode())
        )


@pytest.fixture(scope="session")
def witness() -> Iterator[Witness]:
    levels = {
        logging.getLogger(): logging.INFO,
        # As the app sets it; at INFO each request of these tests would be told.
        logging.getLogger("azure"): logging.WARNING,
    }
    before = {logger: logger.level for logger in levels}
    for logger, level in levels.items():
        logger.setLevel(level)
    yield Witness(_records)
    for logger, level in before.items():
        logger.setLevel(level)


@pytest.fixture(scope="session")
async def stack(witness: Witness) -> AsyncIterator[LocalStack]:
    """One stack for all that needs no other."""
    options = StackOptions(
        limits=LIMITS,
        settings={
            **FAST,
            "MAILROOM_SENDERS": SENDERS,
            "MAILROOM_SIZE_LIMIT": str(6 * MEBIBYTE),
        },
    )
    async with LocalStack(options) as stack:
        witness.secrets.watch(stack)
        yield stack


@pytest.fixture(scope="session")
async def caller(stack: LocalStack) -> AsyncIterator[Caller]:
    async with calling(stack) as caller:
        yield caller


@pytest.fixture(scope="session")
def open_branch(stack: LocalStack, witness: Witness) -> OpenBranch:
    """Opens another app of the same tenant, with these settings; it must have let nothing slip."""

    @asynccontextmanager
    async def opened(**settings: str) -> AsyncIterator[Caller]:
        options = StackOptions(limits=LIMITS, settings={**FAST, **settings})
        async with Branch(stack, options) as branch, calling(branch) as caller:
            yield caller
            assert await witness.leaks(caller) == set()

    return opened


@pytest.fixture(scope="session")
async def waiting(caller: Caller, open_branch: OpenBranch) -> AsyncIterator[dict[str, Waiting]]:
    """Messages that wait for their retry, each for a reason that has been mended since."""
    async with meet_faults(caller, open_branch) as waiting:
        yield waiting
