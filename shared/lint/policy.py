"""What becomes of a finding: the table's action, unless the setting `MAILROOM_LINT` has another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from shared.errors import FieldProblem, SettingsError
from shared.findings import Finding
from shared.lint.rules import ACTIONS, Action, load_rules
from shared.settings import Settings

# What says nothing about the message itself: an outage of spamd must not stop mail.
NEVER_BLOCK = frozenset(["spam-unchecked"])

Verdict = Literal["pass", "warn", "block"]


@dataclass(frozen=True, slots=True)
class LintPolicy:
    """Actions by rule. `*` stands for all rules that are not named."""

    actions: Mapping[str, Action] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy of the settings.

        Raises SettingsError for a rule or an action that there is not.
        """
        return cls.read(dict(settings.lint))

    @classmethod
    def read(cls, actions: Mapping[str, str]) -> Self:
        """The same from `{"rule": "off|warn|block", "*": …}`."""
        rules = load_rules()
        strange = [name for name in actions if name != "*" and name not in rules]
        wrong = [name for name, action in actions.items() if action not in ACTIONS]
        if strange or wrong:
            names = ", ".join((strange or wrong)[:5])
            fault = "names rules that there are not" if strange else "has actions that are none"
            raise SettingsError(
                f"MAILROOM_LINT {fault}: {names}.",
                fix="Use rules of docs/lint.md, each with off, warn or block.",
                names=("MAILROOM_LINT",),
            )
        return cls({name: _action(value) for name, value in actions.items()})

    def action(self, rule: str) -> Action:
        """What becomes of a finding of this rule."""
        action = self.actions.get(rule) or self.actions.get("*") or load_rules()[rule].action
        return "warn" if action == "block" and rule in NEVER_BLOCK else action

    def blocking(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings for which a message is refused."""
        return [finding for finding in findings if self.action(finding.rule) == "block"]

    def problems(self, findings: Iterable[Finding]) -> list[FieldProblem]:
        """The same as faults of the message, for a refusal; none where nothing blocks."""
        return [
            FieldProblem(
                _pointer(finding.where),
                f"{finding.rule}, at {finding.where}: {finding.why}",
                finding.fix,
            )
            for finding in self.blocking(findings)
        ]

    def verdict(self, findings: Iterable[Finding]) -> Verdict:
        """`block` if a finding refuses the message, `warn` if there is any, else `pass`."""
        found = list(findings)
        if self.blocking(found):
            return "block"
        return "warn" if found else "pass"


def _pointer(where: str) -> str:
    """The JSON pointer (RFC 6901) of a finding's place."""
    if not where.startswith("/"):
        return "/html"
    return where.partition(",")[0].partition(":")[0].rstrip("/")


def _action(value: str) -> Action:
    match value:
        case "off" | "warn" | "block":
            return value
    raise AssertionError(value)
