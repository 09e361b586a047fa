"""Key Vault for one machine: its secrets, who may use them, and its REST API."""

from local.keyvault.access import VaultRole
from local.keyvault.errors import VaultError
from local.keyvault.server import KeyVaultServer
from local.keyvault.store import SecretVersion, VaultStore

__all__ = ["KeyVaultServer", "SecretVersion", "VaultError", "VaultRole", "VaultStore"]
