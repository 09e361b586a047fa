"""What the app's start pays for: none of the heavy libraries."""

import subprocess
import sys

HEAVY = ("azure", "msal", "aiohttp", "cryptography", "requests", "jwt")


def test_importing_and_opening_accounts_loads_no_heavy_library() -> None:
    script = f"""
import sys
from shared.accounts import open_accounts
from shared.settings import load_settings
import shared.accounts.login
names = {{
    "MAILROOM_SENDERS": '["billing@contoso.test"]', "MAILROOM_TENANT_ID": "t",
    "MAILROOM_CLIENT_ID": "c", "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "MAILROOM_KEY_VAULT_URL": "https://contoso-mail.vault.azure.net",
}}
for kind in ("federated", "secret", "certificate", "delegated"):
    open_accounts(load_settings(names | {{"MAILROOM_CREDENTIAL": kind}}))
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
