"""`python -m shared.suppression import|export FILE.csv`: suppressions between a file and the app.

import sends the file in parts; lines that are refused stand in FILE.refused.csv, with why. export
writes all suppressions, safe for spreadsheets. What was broken off goes on where it was when the
command is given again.
"""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from shared.errors import MailroomError
from shared.settings import load_client_settings
from shared.suppression.remote import RemoteSuppressions
from shared.suppression.transfer import export_file, import_file


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m shared.suppression", description=(__doc__ or "").split("\n\n")[1]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("import", "send a file"), ("export", "write a file")):
        command = commands.add_parser(name, help=text)
        command.add_argument("file", type=Path, metavar="FILE.csv")
        command.add_argument("--url", default="", help="of the app; else MAILROOM_URL")
        command.add_argument("--key", default="", help="function key or token; else MAILROOM_KEY")
        if name == "import":
            command.add_argument(
                "--encoding", default="utf-8", help="of the file, such as cp1252 or utf-16"
            )
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    """Progress: one line that changes on a terminal, one line each elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


async def run(chosen: argparse.Namespace) -> int:
    """Returns the exit status: 0 done, 1 some lines were refused."""
    settings = load_client_settings(url=chosen.url, key=chosen.key)
    author = getpass.getuser()
    path: Path = chosen.file
    async with RemoteSuppressions(settings.url, settings.key, author=author) as remote:
        if chosen.command == "export":
            progress = await export_file(path, remote, _say)
            print(f"\n{progress.stored:,} suppressions in {path}")
            return 0
        progress = await import_file(path, remote, _say, encoding=chosen.encoding)
    print(
        f"\n{progress.stored:,} stored, {progress.unchanged:,} known already, "
        f"{progress.refused:,} refused"
    )
    if progress.refused:
        print(f"Refused lines, each with why: {path}.refused.csv")
    return 1 if progress.refused else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 refused, 130 interrupted."""
    chosen = _arguments(arguments)
    try:
        return asyncio.run(run(chosen))
    except MailroomError as error:
        print(f"\n{error}", file=sys.stderr)
    except (OSError, LookupError, UnicodeError) as error:
        print(f"\n{chosen.file}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nBroken off; the same command goes on from here.", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
