"""One certificate authority for the whole test session, trusted before anything imports aiohttp.

aiohttp reads SSL_CERT_FILE once, when it is imported; requests and MSAL read REQUESTS_CA_BUNDLE
for each session. So the variables are set here, at the import of the first conftest, and test
modules and fixtures need nothing but `authority`. Child processes inherit them.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from local.certificates import LocalAuthority

if "aiohttp" in sys.modules:
    raise RuntimeError(
        "aiohttp was imported before tests/conftest.py could set SSL_CERT_FILE: "
        "find the plugin or conftest that imports it and move that import into a function"
    )

_folder = tempfile.TemporaryDirectory(prefix="mailroom-authority-")
_authority = LocalAuthority(Path(_folder.name))
os.environ.update(_authority.environment())


@pytest.fixture(scope="session")
def authority() -> LocalAuthority:
    """The authority that every client of this test session trusts."""
    return _authority


def pytest_unconfigure() -> None:
    _folder.cleanup()
