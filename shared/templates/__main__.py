"""`python -m shared.templates check|push|pull FOLDER`: a folder, kept in git, and the app.

check needs no app: it says what is wrong with the folder's templates. push makes each template
that differs from the app's the draft there, with --publish the published one; pull writes the
app's templates into the folder. Both show the differences; with --dry-run they do nothing else.
"""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from shared.errors import MailroomError, TemplateError
from shared.settings import load_client_settings
from shared.templates.bundle import NAME, OWN_FILE, PART, Bundle, read_folder
from shared.templates.differences import compare
from shared.templates.remote import RemoteTemplates
from shared.templates.workers import RenderLimits, Workers

Say = Callable[[str], None]

# Stands in where the app's own brand would: a template must do with any.
_BRAND = {
    "name": "Contoso", "colour": "#0b5cad", "logo_url": "https://example.com/logo.png",
    "address": "1 Way, Town", "website": "https://example.com",
}  # fmt: skip


async def check(bundles: Mapping[str, Bundle], say: Say) -> int:
    """Says every fault of the folder's templates; returns how many there are."""
    workers = Workers(RenderLimits())
    count = 0
    try:
        for name, bundle in bundles.items():
            faults = await workers.check(bundle, _BRAND)
            for fault in faults:
                say(f"{name}/{fault}" if not PART.match(fault.file) else str(fault))
            count += len(faults)
            say(f"{name}: {len(faults) or 'no'} fault{'' if len(faults) == 1 else 's'}")
    finally:
        await workers.aclose()
    return count


async def push(
    bundles: Mapping[str, Bundle],
    remote: RemoteTemplates,
    say: Say,
    *,
    dry_run: bool = False,
    publish: bool = False,
    note: str = "",
) -> int:
    """Makes the folder's templates those of the app; returns how many differ."""
    count = 0
    for name, bundle in bundles.items():
        there = await remote.get(name)
        found, etag = there or ({"files": {}, "draft": "", "version": ""}, "")
        differs = _show(found["files"], bundle.files, ("app", "folder"), name, say)
        waits = publish and bool(found["draft"])
        if not (differs or waits):
            say(f"{name}: as it is in the app")
            continue
        count += 1
        if dry_run:
            say(f"{name}: would be {'published' if publish else 'put as draft'}")
            continue
        if differs:
            await remote.put(name, bundle.files, note, etag)
        if publish:
            await remote.publish(name)
        say(f"{name}: {'published' if publish else 'is the draft'}")
    return count


async def pull(
    folder: Path,
    bundles: Mapping[str, Bundle],
    remote: RemoteTemplates,
    say: Say,
    *,
    dry_run: bool = False,
) -> int:
    """Writes the app's templates, drafts before published ones; returns how many differ.

    A part that two templates have in different forms stays as it is here, and is told.
    """
    count = 0
    parts: dict[str, set[str]] = {}
    for name in filter(NAME.fullmatch, await remote.names()):
        there = await remote.get(name)
        files: dict[str, str] = there[0]["files"] if there is not None else {}
        here = bundles[name].files if name in bundles else {}
        count += _show(here, files, ("folder", "app"), name, say)
        for file, text in files.items():
            if PART.fullmatch(file):
                parts.setdefault(file, set()).add(text)
        if not dry_run:
            _write_own(folder / name, here, files)
    for file, texts in parts.items():
        if len(texts) > 1:
            say(f"{file}: differs between templates of the app, not written")
        elif not dry_run:
            _write(folder / file, texts.pop())
    return count


def _write_own(folder: Path, here: Mapping[str, str], files: Mapping[str, str]) -> None:
    """Makes the folder of one template what the app has; names are those of templates alone."""
    for file, text in files.items():
        if OWN_FILE.fullmatch(file):
            _write(folder / file, text)
    for file in here.keys() - files.keys():
        if OWN_FILE.fullmatch(file):
            (folder / file).unlink(missing_ok=True)


def _show(
    old: Mapping[str, str], new: Mapping[str, str], names: tuple[str, str], template: str, say: Say
) -> bool:
    """Says what differs; whether anything does."""
    differences = compare(
        old, new, old_name=f"{names[0]}/{template}", new_name=f"{names[1]}/{template}"
    )
    for difference in differences:
        say(difference.diff.rstrip("\n"))
    return bool(differences)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8", newline="")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m shared.templates", description=__doc__)
    parser.add_argument("command", choices=["check", "push", "pull"])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("templates"))
    parser.add_argument("--only", metavar="NAME", action="append", help="this template alone")
    parser.add_argument("--dry-run", action="store_true", help="show what would change")
    parser.add_argument("--publish", action="store_true", help="push: use it for new mail")
    parser.add_argument("--note", default="", help="push: what the versions remember")
    parser.add_argument("--author", default="", help="push: who does it; unless given, you")
    parser.add_argument("--url", default="", help="the app; else MAILROOM_URL")
    parser.add_argument("--key", default="", help="function key or token; else MAILROOM_KEY")
    return parser.parse_args(arguments)


async def run(chosen: argparse.Namespace, say: Say) -> int:
    """The command; returns its exit status."""
    bundles = _chosen(read_folder(chosen.folder), chosen.only)
    if chosen.command == "check" or (chosen.command == "push" and not chosen.dry_run):
        if not bundles:
            raise TemplateError(
                f"There is no template in {chosen.folder}.", fix="Name the right folder."
            )
        if await check(bundles, say):
            return 1
        if chosen.command == "check":
            return 0
    client = load_client_settings(url=chosen.url, key=chosen.key)
    author = chosen.author or getpass.getuser()
    async with RemoteTemplates(client.url, client.key, author=author) as remote:
        if chosen.command == "pull":
            await pull(chosen.folder, bundles, remote, say, dry_run=chosen.dry_run)
        else:
            await push(
                bundles, remote, say, dry_run=chosen.dry_run, publish=chosen.publish,
                note=chosen.note,
            )  # fmt: skip
    return 0


def _chosen(bundles: Mapping[str, Bundle], only: Iterable[str] | None) -> dict[str, Bundle]:
    wanted = set(only or bundles)
    if missing := wanted - bundles.keys():
        raise TemplateError(f"There is no {', '.join(sorted(missing))}.", fix="Check --only.")
    return {name: bundle for name, bundle in bundles.items() if name in wanted}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 refused or faults found, 130 interrupted."""
    try:
        return asyncio.run(run(_arguments(arguments), print))
    except MailroomError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
