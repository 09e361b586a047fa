"""The settings of lint; part of `shared.settings.Settings`."""

from dataclasses import dataclass

from shared.feedback_settings import FeedbackSettings
from shared.setting_values import actions, host_port, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class LintSettings(FeedbackSettings):
    """What an operator chooses about lint."""

    lint: tuple[tuple[str, str], ...] = setting(
        "MAILROOM_LINT",
        actions,
        "What becomes of a message in which lint finds something, by rule: a JSON object of rule "
        "to `off`, `warn` (the finding goes to the timeline) or `block` (the message is refused); "
        "`*` stands for all other rules. Empty: the table of docs/lint.md.",
        default=(),
    )
    spamd: str = setting(
        "MAILROOM_SPAMD",
        host_port,
        "SpamAssassin's spamd that scores messages, as `host:port`. Empty: none.",
        default="",
    )
