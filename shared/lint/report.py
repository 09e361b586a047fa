"""Gathers findings: by the policy, each once, and no more of a rule than anybody reads."""

from dataclasses import replace

from shared.findings import Finding
from shared.lint.policy import LintPolicy
from shared.lint.rules import load_rules

MAX_OF_A_RULE = 10


class Report:
    """The findings of one message, in the order in which rules and places come up."""

    def __init__(self, policy: LintPolicy) -> None:
        self._policy = policy
        self._found: dict[str, list[Finding]] = {}
        self._seen: set[tuple[str, str, str]] = set()
        self._more: dict[str, int] = {}

    def add(self, rule: str, where: str, what: str, *, fix: str = "") -> None:
        """Notes what a rule saw at a place; the reason and, by default, the fix are the table's."""
        row = load_rules()[rule]
        if self._policy.action(rule) == "off" or (rule, where, what) in self._seen:
            return
        found = self._found.setdefault(rule, [])
        if len(found) >= MAX_OF_A_RULE:
            self._more[rule] = self._more.get(rule, 0) + 1
            return
        self._seen.add((rule, where, what))
        found.append(Finding(rule, row.severity, where, f"{what} {row.why}", fix or row.fix))

    def findings(self) -> list[Finding]:
        """All of them, errors first; the last of a rule tells how many more there are."""
        found = []
        for rule, entries in self._found.items():
            *first, last = entries
            if more := self._more.get(rule):
                places = "place" if more == 1 else "places"
                last = replace(last, why=f"{last.why} (And {more} more {places}.)")
            found += [*first, last]
        order = ("error", "warning", "info")
        return sorted(found, key=lambda finding: order.index(finding.severity))
