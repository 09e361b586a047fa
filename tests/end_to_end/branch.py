"""Another function app in the same tenant: host, settings, storage and mail of its own."""

import tempfile
from pathlib import Path

from local.azurite import Azurite
from local.contoso import MAILBOXES
from local.office365 import Mailbox
from local.stack import LocalStack, StackOptions, provision


class Branch(LocalStack):
    """Shares Entra ID, managed identity and Key Vault with the stack that it is made from.

    So it starts in half the time, and each can have settings that differ from the others'.
    """

    def __init__(self, parent: LocalStack, options: StackOptions) -> None:
        super().__init__(options)
        self._parent = parent

    async def start_services(self) -> None:
        parent = self._parent
        self.authority, self.entra = parent.authority, parent.entra
        self.identity, self.vault = parent.identity, parent.vault
        self.names = parent.names
        temporary = tempfile.TemporaryDirectory(prefix="mailroom-branch-")
        self._closing.callback(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.azurite = Azurite()
        await self.azurite.start()
        self._closing.push_async_callback(self.azurite.stop)
        await provision(self.azurite.connection_string)
        # Its own, or the apps would take each other's connections: a mailbox has three.
        await self._start_office365([Mailbox(address) for address in MAILBOXES])
