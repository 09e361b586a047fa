"""The local stack: a Functions host, Office 365, Entra ID and Key Vault for one machine."""
