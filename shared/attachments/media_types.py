"""What a declared media type and a file name promise, and whether the content keeps it."""

from shared.attachments import sniffing as found
from shared.attachments.sniffing import EXECUTABLE, OLE, ZIP
from shared.messages.model import OCTET_STREAM

# One row for each kind of file: its media type, other names of it, extensions. Kinds whose content
# always shows what they are.
_KINDS: tuple[tuple[str, frozenset[str], tuple[str, ...]], ...] = (
    ("application/pdf", frozenset({"application/x-pdf"}), ("pdf",)),
    ("image/png", frozenset({"image/x-png"}), ("png",)),
    ("image/jpeg", frozenset({"image/jpg", "image/pjpeg"}), ("jpg", "jpeg", "jpe", "jfif")),
    ("image/gif", frozenset(), ("gif",)),
    ("image/webp", frozenset(), ("webp",)),
    ("image/tiff", frozenset(), ("tif", "tiff")),
    ("image/bmp", frozenset({"image/x-ms-bmp", "image/x-bmp"}), ("bmp",)),
    ("image/svg+xml", frozenset(), ("svg",)),
    ("image/heic", frozenset({"image/heif"}), ("heic", "heif")),
    ("image/avif", frozenset(), ("avif",)),
    (found.DOCX, frozenset(), ("docx",)),
    (found.XLSX, frozenset(), ("xlsx",)),
    (found.PPTX, frozenset(), ("pptx",)),
    (found.DOCM, frozenset(), ("docm",)),
    (found.XLSM, frozenset(), ("xlsm",)),
    (found.PPTM, frozenset(), ("pptm",)),
    (found.DOC, frozenset(), ("doc", "dot")),
    (found.XLS, frozenset({"application/msexcel"}), ("xls",)),
    (found.PPT, frozenset({"application/mspowerpoint"}), ("ppt", "pps")),
    (found.MSG, frozenset(), ("msg",)),
    ("application/vnd.oasis.opendocument.text", frozenset(), ("odt",)),
    ("application/vnd.oasis.opendocument.spreadsheet", frozenset(), ("ods",)),
    ("application/vnd.oasis.opendocument.presentation", frozenset(), ("odp",)),
    ("application/epub+zip", frozenset(), ("epub",)),
    ("application/rtf", frozenset({"text/rtf"}), ("rtf",)),
    (ZIP, frozenset({"application/x-zip-compressed", "application/x-zip"}), ("zip",)),
    ("application/gzip", frozenset({"application/x-gzip"}), ("gz", "tgz")),
    ("application/x-bzip2", frozenset({"application/bzip2"}), ("bz2",)),
    ("application/x-xz", frozenset(), ("xz",)),
    ("application/x-7z-compressed", frozenset(), ("7z",)),
    ("application/vnd.rar", frozenset({"application/x-rar-compressed", "application/x-rar"}),
     ("rar",)),
    ("application/x-tar", frozenset(), ("tar",)),
    ("audio/wav", frozenset({"audio/x-wav", "audio/wave", "audio/vnd.wave"}), ("wav",)),
    (found.PE, frozenset({"application/x-msdos-program", "application/x-dosexec",
                          "application/vnd.microsoft.portable-executable", "application/exe",
                          "application/x-exe"}), ("exe", "dll", "scr", "com", "cpl", "sys")),
    (found.ELF, frozenset({"application/x-elf", "application/x-sharedlib"}), ("so", "elf")),
    (found.MACHO, frozenset(), ("dylib",)),
    (found.JAR, frozenset({"application/x-java-archive"}), ("jar", "war", "ear")),
    (found.APK, frozenset(), ("apk",)),
    (found.MSI, frozenset(), ("msi", "msp")),
    (found.LNK, frozenset(), ("lnk",)),
    (found.CLASS, frozenset(), ("class",)),
    (found.WASM, frozenset(), ("wasm",)),
)  # fmt: skip

# Extensions of texts and of what shows itself only sometimes: the type they stand for.
_SOFT = {
    "txt": "text/plain", "csv": "text/csv", "tsv": "text/tab-separated-values", "md":
    "text/markdown", "log": "text/plain", "json": "application/json", "xml": "application/xml",
    "html": "text/html", "htm": "text/html", "ics": "text/calendar", "vcf": "text/vcard",
    "css": "text/css", "mp3": "audio/mpeg", "mp4": "video/mp4", "m4a": "audio/mp4",
    "ogg": "audio/ogg", "eml": OCTET_STREAM,
}  # fmt: skip

_CANONICAL = {alias: kind for kind, aliases, _ in _KINDS for alias in (kind, *aliases)}
_BY_EXTENSION = {ext: kind for kind, _, extensions in _KINDS for ext in extensions}
_EXTENSION_OF = {
    **{media_type: ext for ext, media_type in reversed(_SOFT.items())},
    **{kind: extensions[0] for kind, _, extensions in _KINDS},
}
_UNTOLD = frozenset(
    [OCTET_STREAM, "application/x-download", "application/force-download", "binary/octet-stream",
     "application/unknown", "application/x-unknown"]
)  # fmt: skip
_OLE_KINDS = frozenset({found.DOC, found.XLS, found.PPT, found.MSG, OLE,
                        # Encrypted Office documents are compound files ([MS-OFFCRYPTO] 2.3.4.4).
                        found.DOCX, found.XLSX, found.PPTX,
                        found.DOCM, found.XLSM, found.PPTM})  # fmt: skip
_ARCHIVES = frozenset({ZIP, found.DOCX, found.XLSX, found.PPTX, found.DOCM, found.XLSM, found.PPTM})
_RUNS = frozenset(
    ["exe", "dll", "scr", "com", "cpl", "pif", "bat", "cmd", "ps1", "psm1", "vbs", "vbe", "js",
     "jse", "wsf", "wsh", "hta", "msi", "msp", "jar", "war", "ear", "lnk", "reg", "sh", "app",
     "apk", "class", "wasm", "so", "elf", "dylib", "sys"]
)  # fmt: skip


def canonical(media_type: str) -> str:
    """The one name of a type that has several."""
    return _CANONICAL.get(media_type, media_type)


def is_untold(media_type: str) -> bool:
    """Whether the declared type says nothing."""
    return media_type in _UNTOLD


def extension_of(name: str) -> str:
    """The last extension of a file name, in lower case, "" without one."""
    stem, dot, extension = name.rpartition(".")
    plain = extension.isascii() and extension.isalnum() and len(extension) <= 12  # noqa: PLR2004
    return extension.lower() if dot and stem and plain else ""


def type_of_extension(extension: str) -> str:
    """The media type that an extension promises, "" if it promises none."""
    return _BY_EXTENSION.get(extension) or _SOFT.get(extension, "")


def usual_extension(media_type: str) -> str:
    """The extension of files of this type, "" if there is no usual one."""
    return _EXTENSION_OF.get(canonical(media_type), "")


def is_runnable(extension: str) -> bool:
    """Whether a computer runs files of this name when they are opened."""
    return extension in _RUNS


def keeps_promise(declared: str, shown: str) -> bool:
    """Whether content that shows itself as `shown` may be called `declared`."""
    declared, shown = canonical(declared), canonical(shown)
    if declared == shown or is_untold(declared):
        return True
    if shown == OLE:
        return declared in _OLE_KINDS or declared not in _CANONICAL
    if shown in EXECUTABLE or declared in _CANONICAL:
        # Such content shows itself. Office documents may be called the archives that they are.
        return declared == ZIP and (shown in _ARCHIVES or shown.endswith(("+zip", "document.text")))
    family = declared.partition("/")[0]
    if family in {"image", "audio", "video"}:
        return shown == OCTET_STREAM or shown.partition("/")[0] in {family, "audio", "video"}
    if family == "text" or declared in {"application/json", "application/xml"}:
        return shown not in _CANONICAL or shown in {"image/svg+xml", "application/rtf"}
    return True  # formats of other programs, which may look like anything
