"""What a file is by its content, whatever it is called.

Signatures of our own for what mail carries most and for what is dangerous; puremagic for the rest.
Nothing is unpacked: of an archive the list of names is read, of a compound file the stream names.
"""

import io
import re
import zipfile

from shared.messages.model import OCTET_STREAM

_HEAD = 8192
_MOST_ENTRIES = 10_000  # of an archive whose names are read
_SURE = 0.7  # puremagic's confidence in what it guesses

PE, ELF, MACHO = "application/x-msdownload", "application/x-executable", "application/x-mach-binary"
JAR, APK, MSI = (
    "application/java-archive", "application/vnd.android.package-archive", "application/x-msi",
)  # fmt: skip
LNK, CLASS, WASM = "application/x-ms-shortcut", "application/java-vm", "application/wasm"

EXECUTABLE = frozenset({PE, ELF, MACHO, JAR, APK, MSI, LNK, CLASS, WASM})
"""What a computer would run."""

_OOXML = "application/vnd.openxmlformats-officedocument."
DOCX, XLSX, PPTX = (
    _OOXML + "wordprocessingml.document", _OOXML + "spreadsheetml.sheet",
    _OOXML + "presentationml.presentation",
)  # fmt: skip
DOCM = "application/vnd.ms-word.document.macroenabled.12"
XLSM = "application/vnd.ms-excel.sheet.macroenabled.12"
PPTM = "application/vnd.ms-powerpoint.presentation.macroenabled.12"
DOC, XLS, PPT, MSG = (
    "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
    "application/vnd.ms-outlook",
)  # fmt: skip
OLE = "application/x-ole-storage"
ZIP = "application/zip"

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\1\0", "image/vnd.microsoft.icon"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypM4A ", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (8, b"WAVE", "audio/wav"),
    (0, b"\x7fELF", ELF),
    (0, b"\xfe\xed\xfa\xce", MACHO),
    (0, b"\xfe\xed\xfa\xcf", MACHO),
    (0, b"\xce\xfa\xed\xfe", MACHO),
    (0, b"\xcf\xfa\xed\xfe", MACHO),
    (0, b"\xca\xfe\xba\xbe", CLASS),  # or a Mach-O for several processors
    (0, b"L\0\0\0\x01\x14\x02\0", LNK),
    (0, b"\0asm", WASM),
)
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_OLE_START = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MSI_CLASS = bytes.fromhex("8410 0c00 0000 0000 c000 0000 0000 0046")
_OLE_STREAMS = (
    ("WordDocument", DOC), ("Workbook", XLS), ("Book", XLS), ("PowerPoint Document", PPT),
    ("__properties_version1.0", MSG),
)  # fmt: skip
_OFFICE = {"word": (DOCX, DOCM), "xl": (XLSX, XLSM), "ppt": (PPTX, PPTM)}
_MARKUP = re.compile(
    rb"(?:<!--.{0,2000}?-->|<\?xml[^>]{0,500}\?>|<!DOCTYPE[^>]{0,500}>|\s){0,20}+"
    rb"<(?P<root>html|head|body|script|svg|[A-Za-z][\w:.-]{0,60})[\s>/]",
    re.IGNORECASE | re.DOTALL,
)
_TEXT_CONTROLS = re.compile(rb"[\0-\x06\x0e-\x1a\x1c-\x1f]")


def sniff(content: bytes) -> str:  # noqa: PLR0911 (one for each family)
    """The media type that the content shows, application/octet-stream where it shows none."""
    head = content[:_HEAD]
    if head.startswith(_ZIP_STARTS):
        return _zip_type(content)
    if head.startswith(_OLE_START):
        return _ole_type(content)
    if _is_portable_executable(content):
        return PE
    if b"%PDF-" in head[:1024]:  # ISO 32000: readers look for it that far
        return "application/pdf"
    for offset, signature, media_type in _SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    return _text_type(content) or _guess(content)


def _is_portable_executable(content: bytes) -> bool:
    """MZ, and where it says the header of a PE or an older one; MZ alone begins texts too."""
    if content[:2] != b"MZ" or len(content) < 64:  # noqa: PLR2004
        return False
    start = int.from_bytes(content[60:64], "little")
    marks = (b"PE\0\0", b"NE", b"LE", b"LX")
    return content.startswith(marks, start) or b"\0" in content[:64]


def _zip_type(content: bytes) -> str:
    end = content.rfind(b"PK\x05\x06", max(0, len(content) - 65_557))
    if end < 0 or int.from_bytes(content[end + 10 : end + 12], "little") > _MOST_ENTRIES:
        return ZIP
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            first = names[:1] == ["mimetype"] and archive.infolist()[0]
            if first and first.compress_type == zipfile.ZIP_STORED and first.file_size < 200:  # noqa: PLR2004
                kind = archive.read("mimetype").decode("ascii", "replace").strip().lower()
                if re.fullmatch(r"application/[a-z0-9.+-]{3,100}", kind):
                    return kind  # OpenDocument, EPUB
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError, EOFError):
        return ZIP
    return _archive_type([name.lower() for name in names])


def _archive_type(names: list[str]) -> str:
    if "androidmanifest.xml" in names:
        return APK
    if "[content_types].xml" in names:
        for folder, (plain, macros) in _OFFICE.items():
            if any(name.startswith(f"{folder}/") for name in names):
                return macros if any(n.endswith("vbaproject.bin") for n in names) else plain
    if "meta-inf/manifest.mf" in names and any(name.endswith(".class") for name in names):
        return JAR
    return ZIP


def _ole_type(content: bytes) -> str:
    if _MSI_CLASS in content:
        return MSI
    for stream, media_type in _OLE_STREAMS:
        # A directory entry begins with the name in UTF-16, ended by a zero ([MS-CFB] 2.6.1).
        if (stream + "\0").encode("utf-16-le") in content:
            return media_type
    return OLE


def _text_type(content: bytes) -> str:  # noqa: PLR0911 (one for each kind)
    """The type of a text, "" for what is none."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        sample = content[: 2 * _HEAD].decode("utf-16", "replace").encode("utf-8", "replace")
    else:
        if _TEXT_CONTROLS.search(content):
            return ""
        sample = content[:_HEAD].removeprefix(b"\xef\xbb\xbf")
    start = sample.lstrip()
    if start[:15].upper() == b"BEGIN:VCALENDAR":
        return "text/calendar"
    if start[:11].upper() == b"BEGIN:VCARD":
        return "text/vcard"
    if found := _MARKUP.match(start):
        root = found["root"].lower()
        if root in {b"html", b"head", b"body", b"script"}:
            return "text/html"
        if root == b"svg":
            return "image/svg+xml"
        return "application/xml" if start.startswith(b"<?xml") else "text/plain"
    return "text/plain"


def _guess(content: bytes) -> str:
    from puremagic import PureError, magic_string  # noqa: PLC0415 (it reads its tables at import)

    try:
        matches = magic_string(content[: 64 * 1024])
    except (PureError, ValueError):
        return OCTET_STREAM
    sure = [m.mime_type for m in matches if m.confidence >= _SURE and "/" in m.mime_type]
    return sure[0].lower() if sure else OCTET_STREAM
