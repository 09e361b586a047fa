"""The settings of the guard; part of `shared.settings.Settings`."""

import dataclasses
from dataclasses import dataclass

from shared.guard.policy import GuardPolicy, PolicyError, read_policy
from shared.lint_settings import LintSettings
from shared.setting_values import UnreadableError, header_line, setting, subject_tag, whole


def _policy(raw: str) -> GuardPolicy:
    try:
        return read_policy(raw)
    except PolicyError as error:
        raise UnreadableError(str(error)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings(LintSettings):
    """What an operator chooses about what must not be mailed."""

    guard: GuardPolicy = setting(
        "MAILROOM_GUARD",
        _policy,
        "What becomes of messages that hold what must not be mailed: `off`, or a JSON object of "
        "actions by rule or group, with exceptions by sender and category (`docs/guard.md`). "
        "Empty: each rule's default.",
        default=GuardPolicy(),
    )
    held_days: int = setting(
        "MAILROOM_HELD_DAYS",
        whole(1, 365),
        "Days that a message is held for somebody to release or refuse it; then it fails.",
        default=14,
    )
    encrypt_header: tuple[str, str] | tuple[()] = setting(
        "MAILROOM_ENCRYPT_HEADER",
        header_line,
        "The header field that the guard's action `encrypt` writes, for the tenant's mail-flow "
        "rule, such as `X-Encrypt: yes`.",
        default=(),
    )
    encrypt_subject_tag: str = setting(
        "MAILROOM_ENCRYPT_SUBJECT_TAG",
        subject_tag,
        "What the guard's action `encrypt` puts before the subject, such as `[secure]`.",
        default="",
    )

    @property
    def guard_policy(self) -> GuardPolicy:
        """The guard's policy, with what its action `encrypt` writes."""
        return dataclasses.replace(
            self.guard,
            encrypt_header=self.encrypt_header or None,
            encrypt_tag=self.encrypt_subject_tag,
        )
