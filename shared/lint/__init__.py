"""Lint: what readers, mail programs and spam filters may have against a message.

The rules stand in `rules.toml`; `docs/lint.md` is made from it.
"""

from shared.lint.inspection import lint_message
from shared.lint.policy import LintPolicy, Verdict
from shared.lint.rules import Rule, load_rules

__all__ = ["LintPolicy", "Rule", "Verdict", "lint_message", "load_rules"]
