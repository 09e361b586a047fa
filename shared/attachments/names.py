"""File names that every receiver can store, and that do not lie about what they name."""

import re
import unicodedata

from shared.attachments.media_types import (
    extension_of,
    is_runnable,
    type_of_extension,
    usual_extension,
)

LONGEST = 180  # octets of UTF-8: file systems take 255, and receivers add to a name

# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_DEVICES = re.compile(
    "(?:CON|PRN|AUX|NUL|CLOCK\\$|CONIN\\$|CONOUT\\$|(?:COM|LPT)[0-9¹²³])", re.IGNORECASE
)
_JOINERS = "\u200c\u200d"  # letters of Indic scripts and emoji need them
_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')


def safe_name(name: str) -> str:
    """The name in NFC without invisible and bidirectional marks, blanks and dots at its ends, and
    names of devices; shortened in its stem."""
    name = unicodedata.normalize("NFC", name)
    name = "".join(c for c in name if unicodedata.category(c) not in {"Cf", "Cc"} or c in _JOINERS)
    name = _FORBIDDEN.sub("_", re.sub(r"\s+", " ", name)).strip(" .") or "attachment"
    if _DEVICES.fullmatch(name.partition(".")[0].strip()):
        name = f"_{name}"
    return _shortened(name)


def _shortened(name: str) -> str:
    if len(name.encode()) <= LONGEST:
        return name
    extension = extension_of(name)
    ending = f".{extension}" if extension and len(extension.encode()) <= 20 else ""  # noqa: PLR2004
    stem = name[: len(name) - len(ending)] if ending else name
    room = LONGEST - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + ending


def hides_extension(name: str) -> bool:
    """Whether a document's extension stands before one that makes a computer run the file, as in
    `invoice.pdf.exe` (Windows shows the first of them only)."""
    parts = [part.strip().lower() for part in name.split(".")]
    if len(parts) < 3 or not is_runnable(parts[-1]):  # noqa: PLR2004
        return False
    return any(type_of_extension(part) and not is_runnable(part) for part in parts[1:-1])


def named_after_type(name: str, media_type: str) -> str:
    """The name with the usual extension of its type, if it has none."""
    extension = usual_extension(media_type)
    return name if extension_of(name) or not extension else f"{name}.{extension}"
