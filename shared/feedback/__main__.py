"""`python -m shared.feedback --reread [--dry-run]`: reads kept returned mail again, as after an
upgrade of Mailroom. Prints one JSON object a mail."""

import argparse
import asyncio
import json
import sys
from collections import Counter

from shared.errors import MailroomError


def main() -> int:
    """The command line; settings come from the environment."""
    parser = argparse.ArgumentParser(prog="python -m shared.feedback", description=__doc__)
    parser.add_argument("--reread", action="store_true", required=True)
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    options = parser.parse_args()
    try:
        counts = asyncio.run(_reread(dry_run=options.dry_run))
    except MailroomError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(", ".join(f"{n} {what}" for what, n in sorted(counts.items())) + "\n")
    return 0


async def _reread(*, dry_run: bool) -> Counter[str]:
    from shared.application import Application  # noqa: PLC0415 (all of the app)
    from shared.settings import load_settings  # noqa: PLC0415

    application = Application(load_settings())
    counts: Counter[str] = Counter({"read": 0, "understood now": 0})
    try:
        async for reread in application.feedback.rereading.run(dry_run=dry_run):
            counts["read"] += 1
            counts["understood now"] += bool(reread.events)
            told = {
                "id": reread.mail.id, "kind": reread.kind, "events": reread.events,
                "why": reread.why, "dry_run": dry_run,
            }  # fmt: skip
            sys.stdout.write(json.dumps(told) + "\n")
    finally:
        await application.aclose()
    return counts


if __name__ == "__main__":
    raise SystemExit(main())
