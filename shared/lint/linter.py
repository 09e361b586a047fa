"""Lint as the app does it: by the settings, off the event loop, with spamd where there is one."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from shared.findings import Finding
from shared.lint.inspection import lint_message
from shared.lint.policy import LintPolicy
from shared.messages.model import Message
from shared.settings import Settings


class Linter:
    """Lints messages by the policy of the settings.

    Raises SettingsError where the settings name a rule that there is not.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime]) -> None:
        self.policy = LintPolicy.of(settings)
        self._spamd_address = settings.spamd
        self._clock = clock

    async def lint(self, message: Message) -> list[Finding]:
        """All findings, errors first. The template of a message must be rendered before."""
        found = await asyncio.to_thread(lint_message, message, policy=self.policy)
        if not self._spamd_address:
            return found
        from shared.lint.spamd import Spamd, lint_spam  # noqa: PLC0415

        return found + await lint_spam(
            message, policy=self.policy, spamd=Spamd(self._spamd_address), clock=self._clock
        )
