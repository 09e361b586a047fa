"""Key Vault's refusals. Source: learn.microsoft.com/azure/key-vault/general/rest-error-codes."""

from typing import Any


class VaultError(Exception):
    """A refusal of the vault: HTTP status, error code, text and, where there is one, inner code."""

    def __init__(
        self, status: int, code: str, message: str, *, inner: str | None = None, challenge: str = ""
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner
        self.challenge = challenge

    def body(self) -> dict[str, Any]:
        """The JSON that the vault answers with."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.inner:
            error["innererror"] = {"code": self.inner}
        return {"error": error}


def bad_parameter(message: str) -> VaultError:
    return VaultError(400, "BadParameter", message)


def secret_not_found(name: str) -> VaultError:
    return VaultError(
        404,
        "SecretNotFound",
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted "
        "this secret you may be able to recover it using the correct recovery command. For help "
        "resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182",
    )


def secret_disabled() -> VaultError:
    return VaultError(
        403,
        "Forbidden",
        "Operation get is not allowed on a disabled secret.",
        inner="SecretDisabled",
    )
