"""`python -m shared.doctor [--settings FILE] [--json]`: looks at everything that Mailroom needs.

Nothing is sent or changed. The exit code is the worst finding: 0 ok, 1 note, 2 warning, 3 error.
"""

import argparse
import asyncio
import json
import logging
import sys
from pathlib import Path

from shared.errors import SettingsError
from shared.settings import process_environment, use_local_settings

_USAGE = 64  # sysexits.h: EX_USAGE, apart from the findings' own codes


def main() -> int:
    """The command line; settings come from the environment, and from FILE."""
    parser = argparse.ArgumentParser(prog="python -m shared.doctor", description=__doc__)
    parser.add_argument("--settings", metavar="FILE", type=Path, help="a local.settings.json")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    # The findings say it; the log lines of the parts would only stand between them.
    logging.disable(logging.CRITICAL)
    if options.settings is not None:
        try:
            use_local_settings(options.settings)
        except SettingsError as error:
            sys.stderr.write(f"{error}\n")
            return _USAGE
    # aiohttp reads SSL_CERT_FILE when it is imported: after the settings file has set it.
    from shared.doctor.examination import examine_environment  # noqa: PLC0415
    from shared.doctor.report import as_json, as_text  # noqa: PLC0415

    environment = process_environment()
    examination = asyncio.run(examine_environment(environment))
    if options.json:
        sys.stdout.write(json.dumps(as_json(examination), indent=2) + "\n")
    else:
        colour = sys.stdout.isatty() and not environment.get("NO_COLOR")
        sys.stdout.write(as_text(examination, colour=colour) + "\n")
    return int(examination.worst)


if __name__ == "__main__":
    raise SystemExit(main())
