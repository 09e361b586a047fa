"""A template as a bundle of files, complete in itself: its own and the shared parts it uses."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from shared.errors import TemplateError

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
PART = re.compile(r"_(?:layouts|partials)/[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(?:mjml|html|txt)")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
OWN_FILE = re.compile(
    rf"(?:template|texts|schema|sample)\.json|body(?:\.(?P<language>{LANGUAGE.pattern}))?"
    r"\.(?:mjml|html|txt)"
)

MAX_FILES = 100
MAX_BYTES = 1024 * 1024

_USED_PART = re.compile(r"""["'](_(?:layouts|partials)/[^"'\s]+)["']""")


@dataclass(frozen=True)
class Bundle:
    """The files of one version: path, such as `body.mjml` or `_partials/button.mjml`, to text."""

    files: Mapping[str, str] = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """A name for just this content: 32 hexadecimal digits."""
        whole = json.dumps(sorted(self.files.items()), ensure_ascii=True).encode()
        return hashlib.sha256(whole).hexdigest()[:32]


def make_bundle(own: Mapping[str, str], parts: Mapping[str, str]) -> Bundle:
    """The own files with those of `parts` that they use, also by way of other parts."""
    files = dict(own)
    waiting = list(own.values())
    while waiting:
        for name in _USED_PART.findall(waiting.pop()):
            if name in parts and name not in files:
                files[name] = parts[name]
                waiting.append(parts[name])
    return Bundle(files)


def check_files(files: Mapping[str, str]) -> list[TemplateError]:
    """What is wrong with the names and sizes of a bundle's files."""
    faults = [
        TemplateError(
            "It is no file of a template.",
            file=name[:200],
            fix="Files are template.json, body.mjml or body.html, body.txt, texts.json, "
            "schema.json, sample.json, bodies of a language such as body.de.mjml, and parts such "
            "as _layouts/base.mjml.",
        )
        for name in files
        if not (OWN_FILE.fullmatch(name) or PART.fullmatch(name))
    ]
    if len(files) > MAX_FILES:
        faults.append(TemplateError(f"It has {len(files)} files.", fix=f"Use up to {MAX_FILES}."))
    size = sum(len(text.encode(errors="replace")) for text in files.values())
    if size > MAX_BYTES:
        fix = f"Keep it to {MAX_BYTES} bytes."
        faults.append(TemplateError(f"Its files have {size} bytes.", fix=fix))
    return faults


def read_folder(folder: Path) -> dict[str, Bundle]:
    """The templates of a folder, by name. Raises TemplateError for a file that is no text."""
    parts = {
        f"{kind}/{path.name}": _read(path, f"{kind}/{path.name}")
        for kind in ("_layouts", "_partials")
        for path in _files(folder / kind)
    }
    return {
        path.name: make_bundle(
            {file.name: _read(file, f"{path.name}/{file.name}") for file in _files(path)}, parts
        )
        for path in sorted(folder.iterdir() if folder.is_dir() else ())
        if path.is_dir() and NAME.fullmatch(path.name) and (path / "template.json").exists()
    }


def _files(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return ()
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise TemplateError("It is not UTF-8 text.", file=name, fix="Save it as UTF-8.") from None
