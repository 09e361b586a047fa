"""`python -m shared.lint FILE…`: lints mails in files, for people and for scripts.

Exit codes: 0, nothing worse than info; 1, warnings; 2, errors; 3, a file cannot be read.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from shared.errors import MailroomError
from shared.findings import Finding
from shared.lint import LintPolicy, lint_message
from shared.lint.files import read_file

_CODES = {"info": 0, "warning": 1, "error": 2}
_UNREADABLE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Lints the files that the command line names; returns the exit code."""
    options = _parser().parse_args(arguments)
    code, listed = 0, []
    try:
        policy = LintPolicy.read(json.loads(options.policy))
    except (MailroomError, ValueError, AttributeError) as error:
        print(f"--policy: {error}", file=sys.stderr)
        return _UNREADABLE
    for path in options.files:
        try:
            message = read_file(path, category=options.category)
        except (MailroomError, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            code = _UNREADABLE
            continue
        found = lint_message(message, policy=policy)
        code = max([code, *(_CODES[finding.severity] for finding in found)])
        if options.json:
            listed += [{"file": str(path), **asdict(finding)} for finding in found]
        else:
            print(describe(str(path), found))
    if options.json:
        print(json.dumps(listed, ensure_ascii=False, indent=2))
    return code


def describe(name: str, found: Sequence[Finding]) -> str:
    """The findings of a file as a person reads them."""
    lines = [f"{name}: {len(found) or 'no'} {'finding' if len(found) == 1 else 'findings'}"]
    for finding in found:
        lines += (
            "",
            f"  {finding.severity}: {finding.rule}",
            f"    at  {finding.where}",
            f"    why {finding.why}",
            f"    fix {finding.fix}",
        )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m shared.lint",
        description="What readers and spam filters may have against a mail.",
        epilog="Exit code: 0 nothing worse than info, 1 warnings, 2 errors, 3 unreadable.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".html, .eml or .json")
    parser.add_argument("--json", action="store_true", help="findings as a JSON list")
    parser.add_argument(
        "--category", choices=["transactional", "bulk"], help="instead of the mail's own"
    )
    parser.add_argument(
        "--policy", default="{}", help="as MAILROOM_LINT; a rule that is off finds nothing"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
