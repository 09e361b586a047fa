"""One Chromium and one stack for all tests in a browser."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from local.office365 import Limits
from local.stack import LocalStack, StackOptions
from tests.browser.chromium import Screen, missing, opened, running_chromium

type OpenPage = Callable[..., AbstractAsyncContextManager[Page]]

LIMITS = Limits(
    messages_per_minute=None,
    recipients_per_day=None,
    tenant_external_recipients_per_day=None,
)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if reason := missing():
        pytest.skip(reason)
    async with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def open_page(browser: Browser) -> OpenPage:
    """`async with open_page(width=375, scheme="dark", scripts=False) as page`."""

    def open_page(**screen: Any) -> AbstractAsyncContextManager[Page]:
        return opened(browser, Screen(**screen))

    return open_page


@pytest.fixture(scope="session")
async def stack(browser: Browser) -> AsyncIterator[LocalStack]:
    """The whole of Mailroom, for pages that ask its API; only where there is a browser."""
    options = StackOptions(
        limits=LIMITS,
        settings={
            "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.2",
            "MAILROOM_BRAND_NAME": "Contoso",
            "MAILROOM_BRAND_ADDRESS": "Contoso Ltd, 1 Harbour Street, Dublin 2, Ireland",
            "MAILROOM_BRAND_WEBSITE": "https://contoso.com",
        },
    )
    async with LocalStack(options) as stack:
        yield stack
