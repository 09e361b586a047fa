"""The tenant of the local stack: Contoso, with Mailroom's application, identity and mailboxes.

The ids are fixed so that settings can name them; secrets never are.
"""

from local.entra import (
    EXCHANGE,
    RESOURCES,
    App,
    Directory,
    FederatedCredential,
    Resource,
)
from local.identity import ManagedIdentity
from local.web import Clock, utc_now

TENANT_ID = "11111111-1111-1111-1111-111111111111"
APP_CLIENT_ID = "22222222-2222-2222-2222-222222222222"
APP_OBJECT_ID = "33333333-3333-3333-3333-333333333333"
IDENTITY_CLIENT_ID = "44444444-4444-4444-4444-444444444444"
IDENTITY_PRINCIPAL_ID = "55555555-5555-5555-5555-555555555555"
LOGIN_CLIENT_ID = "66666666-6666-6666-6666-666666666666"
LOGIN_OBJECT_ID = "77777777-7777-7777-7777-777777777777"
API_CLIENT_ID = "99999999-9999-9999-9999-999999999999"
DOMAIN = "contoso.test"
MAILBOXES = ("billing@contoso.test", "alerts@contoso.test")

# The API that callers get tokens for, as infra/identity/api.bicep registers it.
MAILROOM_API = Resource(
    API_CLIENT_ID,
    "Mailroom API",
    (f"api://{TENANT_ID}/mailroom", f"api://{API_CLIENT_ID}", API_CLIENT_ID),
    token_version=2,
)

IDENTITY = ManagedIdentity(
    client_id=IDENTITY_CLIENT_ID,
    principal_id=IDENTITY_PRINCIPAL_ID,
    resource_id="/subscriptions/88888888-8888-8888-8888-888888888888/resourcegroups/mailroom"
    "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mailroom",
)


def contoso(*, clock: Clock = utc_now) -> Directory:
    """A fresh tenant: the Mailroom application, the public client of `make login`, two users.

    Mailroom holds `SMTP.SendAsApp` and accepts the managed identity as a federated credential;
    it has no secret yet (`directory.add_secret(APP_CLIENT_ID)` makes one).
    """
    directory = Directory(
        TENANT_ID,
        [DOMAIN, "contoso.onmicrosoft.com"],
        resources=(*RESOURCES, MAILROOM_API),
        clock=clock,
    )
    directory.add_app(
        App(
            APP_CLIENT_ID,
            "Mailroom",
            APP_OBJECT_ID,
            federated_credentials=(
                FederatedCredential(
                    "mailroom-identity",
                    issuer=f"https://login.microsoftonline.com/{TENANT_ID}/v2.0",
                    subject=IDENTITY_PRINCIPAL_ID,
                ),
            ),
            application_permissions={EXCHANGE.app_id: frozenset({"SMTP.SendAsApp"})},
        )
    )
    directory.add_app(App(LOGIN_CLIENT_ID, "Mailroom sign-in", LOGIN_OBJECT_ID, public_client=True))
    for mailbox in MAILBOXES:
        directory.add_user(mailbox)
    return directory
