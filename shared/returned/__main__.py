"""`python -m shared.returned FILE…`: what returned mails say, a JSON object a line for each.

A file `-` is standard input. `kind` is "bounce" for every notice that a message was not delivered
so far, delay warnings too; `report_kind` keeps them apart. A file that cannot be read is told of on
standard error, the others go on, and the exit status is 1.
"""

import argparse
import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.returned.parsing import parse_report
from shared.returned.reasons import reject_reason
from shared.returned.report import Report


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m shared.returned", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="a mail, or - for standard input")
    status = 0
    for file in parser.parse_args(arguments).files:
        try:
            content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        except OSError as error:
            print(f"{file}: {error.strerror or error}", file=sys.stderr)
            status = 1
            continue
        print(json.dumps({"file": file, **describe(parse_report(content))}, ensure_ascii=True))
    return status


def describe(report: Report) -> dict[str, Any]:
    """A report as JSON."""
    values = asdict(report)
    values["report_kind"] = report.kind
    values["kind"] = "bounce" if report.kind == "delayed" else report.kind
    for name, value in values.items():
        if isinstance(value, datetime):
            values[name] = value.isoformat()
    for recipient in values["recipients"]:
        recipient["status"] = recipient["status"] or None
        recipient["reject_reason"] = reject_reason(recipient["reason"])
    return values


if __name__ == "__main__":
    sys.exit(main())
