"""Delivery tests on the whole application, its clock in the test's hand."""

from dataclasses import dataclass
from typing import Any

import pytest

from shared.delivery_tests.delivery_tests import DeliveryTests
from shared.delivery_tests.report import DeliveryTest
from tests.operations.conftest import Office, OpenOffice, open_office, services

__all__ = ["open_office", "services"]


@dataclass
class Desk:
    """Somebody who asks for tests."""

    office: Office

    @property
    def tests(self) -> DeliveryTests:
        return self.office.app.delivery_tests

    async def begin(self, to: str = "", **options: Any) -> DeliveryTest:
        test, _ = await self.tests.begin(to=to, **options)
        return test

    async def sent(self, to: str = "", **options: Any) -> DeliveryTest:
        """A test whose probe has been handed over; nobody has looked for it since."""
        test = await self.begin(to, **options)
        assert await self.office.deliver() == 1
        return test

    async def all(self) -> list[DeliveryTest]:
        tests, cursor = await self.tests.newest(after="", limit=100)
        assert not cursor
        return list(tests)


@pytest.fixture
def desk(open_office: OpenOffice) -> Desk:
    return Desk(open_office())
