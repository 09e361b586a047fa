"""Files judged by their content: types, disguises, names."""

import io
import re
import time
import zipfile
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.attachments import Attachments, sniffing
from shared.attachments.fetching import FetchedFile, FetchRefusedError
from shared.attachments.names import LONGEST, hides_extension, safe_name
from shared.attachments.sniffing import sniff
from shared.errors import FieldProblem, InvalidMessageError
from shared.messages.model import Attachment, Message
from tests.attachments.servers import PDF
from tests.composing.reading import make, send

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
EXE = b"MZ" + b"\0" * 58 + (128).to_bytes(4, "little") + b"\0" * 64 + b"PE\0\0"


def archive(*names: str, first: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        if first:
            made.writestr("mimetype", first)
        for name in names:
            made.writestr(name, b"x")
    return out.getvalue()


def compound(stream: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512 + (stream + "\0").encode("utf-16-le")


DOCX = archive("[Content_Types].xml", "word/document.xml")
DOCM = archive("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin")
XLSX = archive("[Content_Types].xml", "xl/workbook.xml")
ODT = archive("content.xml", first=b"application/vnd.oasis.opendocument.text")
JAR = archive("META-INF/MANIFEST.MF", "Main.class")
DOC, XLS = compound("WordDocument"), compound("Workbook")
SVG = b'<?xml version="1.0"?><!-- x --><svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PDF, "application/pdf"), (b"junk\n" + PDF, "application/pdf"), (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"), (b"GIF89a..", "image/gif"),
        (DOCX, sniffing.DOCX), (DOCM, sniffing.DOCM), (XLSX, sniffing.XLSX),
        (ODT, "application/vnd.oasis.opendocument.text"), (JAR, sniffing.JAR),
        (archive("a.txt"), "application/zip"), (DOC, sniffing.DOC), (XLS, sniffing.XLS),
        (compound("EncryptedPackage"), sniffing.OLE), (EXE, sniffing.PE),
        (b"MZ is how this text begins, and it goes on for more than sixty-four octets.\n",
        "text/plain"),
        (b"\x7fELF\2\1\1\0", sniffing.ELF), (b"PK\x03\x04broken", "application/zip"),
        ("Grüße\n".encode(), "text/plain"), (b"", "text/plain"), (b"a;b\n1;2\n", "text/plain"),
        ("\ufeffHallo".encode("utf-16-le"), "text/plain"), (SVG, "image/svg+xml"),
        (b"\n<!DOCTYPE html><html>", "text/html"), (b"<script>x</script>", "text/html"),
        (b'<?xml version="1.0"?><order/>', "application/xml"), (b"{\\rtf1", "application/rtf"),
        (b"BEGIN:VCALENDAR\r\n", "text/calendar"), (bytes(range(256)), "application/octet-stream"),
    ],
)  # fmt: skip
def test_what_content_shows(content: bytes, media_type: str) -> None:
    assert sniff(content) == media_type


@given(st.binary(max_size=400))
@example(b"<!---->" * 3000)
@example(b"PK\x03\x04" + b"PK\x05\x06" * 50)
def test_any_content_has_a_type(content: bytes) -> None:
    for start in (
        b"",
        b"PK\x03\x04",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"<!--",
        b"MZ",
        b"\xff\xfe",
    ):
        assert re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+_-]+", sniff(start + content))


def test_sniffing_takes_time_by_length_alone() -> None:
    """Process time, with a wide margin: what explodes takes minutes."""
    start = time.process_time()
    for hostile in (b"<!---->" * 200_000, b"<!--" * 200_000, b"<" * 1_000_000, b"<?xml" * 100_000,
                    b"PK\x03\x04" + b"PK\x05\x06" * 200_000, b"BEGIN" * 200_000):  # fmt: skip
        sniff(hostile)
    assert time.process_time() - start < 10


class Refusing:
    """No file is to be fetched."""

    async def fetch(self, url: str, *, limit: int) -> FetchedFile:
        raise FetchRefusedError("no", fix="none")


class Giving:
    def __init__(self, content: bytes, name: str = "", content_type: str = "") -> None:
        self.file = FetchedFile(content, name, content_type)
        self.limits: list[int] = []

    async def fetch(self, url: str, *, limit: int) -> FetchedFile:
        self.limits.append(limit)
        return self.file


ATTACHMENTS = Attachments(Refusing(), size_limit=1_000_000)


async def prepared(
    name: str, content: bytes, content_type: str = "application/octet-stream"
) -> Attachment:
    message = make(attachments=[{"name": name, "content": content, "content_type": content_type}])
    (file,) = (await ATTACHMENTS.prepare(message)).attachments
    assert file.content == content
    return file


async def problem(message: Message, attachments: Attachments = ATTACHMENTS) -> FieldProblem:
    with pytest.raises(InvalidMessageError) as raised:
        await attachments.prepare(message)
    (found,) = raised.value.problems
    assert found.fix
    return found


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.pdf", PDF, "application/pdf"), ("a.csv", b"a;b\n", "text/csv"),
        ("a.docx", DOCX, sniffing.DOCX), ("a.bin", b"\0\1\2", "application/octet-stream"),
        ("secret.docx", compound("EncryptedPackage"), sniffing.DOCX),
        ("a.unknown", b"text", "text/plain"), ("setup.exe", EXE, sniffing.PE),
    ],
)  # fmt: skip
async def test_no_declaration_takes_the_type_that_shows(
    name: str, content: bytes, media_type: str
) -> None:
    assert (await prepared(name, content)).content_type == media_type


async def test_a_name_without_extension_gets_one() -> None:
    assert (await prepared("invoice", PDF)).name == "invoice.pdf"
    assert (await prepared("notes", b"hello", "text/markdown")).name == "notes.md"
    assert (await prepared("Report v1.2 final", PDF)).name == "Report v1.2 final.pdf"


@pytest.mark.parametrize(
    ("name", "content", "declared"),
    [
        ("a.pdf", PDF, "application/pdf"), ("a.jpg", b"\xff\xd8\xff\xe0", "image/pjpeg"),
        ("a.zip", archive("x"), "application/x-zip-compressed"), ("a.docx", DOCX,
        "application/zip"),
        ("a.csv", b"a,b", "text/csv"), ("a.csv", b"a,b", "application/vnd.contoso.table"),
        ("a.json", b"{}", "application/json"), ("a.xml", b"<a/>", "text/xml"),
        ("a.docx", compound("EncryptedPackage"), sniffing.DOCX), ("a.txt", b"<html>", "text/plain"),
        ("a.kmz", archive("doc.kml"), "application/vnd.google-earth.kmz"),
        ("a.mp3", b"\xff\xfb\x90\x00", "audio/mpeg"), ("a.svg", SVG, "image/svg+xml"),
        ("report.final.v2.pdf", PDF, "application/pdf"), ("a.sh", b"#!/bin/sh\n",
        "text/x-shellscript"),
    ],
)  # fmt: skip
async def test_true_declarations_pass(name: str, content: bytes, declared: str) -> None:
    assert (await prepared(name, content, declared)).content_type == declared


@pytest.mark.parametrize(
    ("name", "content", "declared", "field", "told"),
    [
        ("a.pdf", DOCX, "application/pdf", "content_type", ("application/pdf", sniffing.DOCX)),
        ("a.pdf", b"<html>", "application/pdf", "content_type", ("application/pdf", "text/html")),
        ("a.png", b"<script>", "image/png", "content_type", ("image/png", "text/html")),
        ("a.docx", DOCM, sniffing.DOCX, "content_type", (sniffing.DOCX, sniffing.DOCM)),
        ("a.pdf", DOCX, "application/octet-stream", "name", (".pdf", sniffing.DOCX)),
        ("a.xls", b"a;b", "application/vnd.ms-excel", "content_type", ("text/plain",)),
        ("a.txt", PDF, "text/plain", "content_type", ("text/plain", "application/pdf")),
        ("a.pdf", EXE, "application/pdf", "content", (sniffing.PE, ".pdf")),
        ("a.jpg", EXE, "application/octet-stream", "content", (".jpg",)),
        ("a.zip", JAR, "application/zip", "content", (sniffing.JAR,)),
        ("invoice", EXE, "application/octet-stream", "content", (sniffing.PE,)),
        ("invoice.pdf.exe", EXE, "application/octet-stream", "name", ()),
        ("invoice.pdf .js", b"x", "text/plain", "name", ()),
        ("invoice.pdf.exe.", EXE, "application/pdf", "name", ()),
        ("invoice.pdf\u200b.exe", EXE, "application/pdf", "name", ()),
    ],
)  # fmt: skip
async def test_false_ones_are_named_with_what_is_there(
    name: str, content: bytes, declared: str, field: str, told: tuple[str, ...]
) -> None:
    file = {"name": name, "content": content, "content_type": declared}
    found = await problem(make(attachments=[file]))
    assert found.field == f"/attachments/0/{field}"
    assert all(text in found.detail for text in told)


async def test_every_fault_is_told_at_once() -> None:
    files = [{"name": "a.pdf", "content": EXE}, {"name": "b.pdf", "content": PDF},
             {"name": "c.png", "content": PDF, "content_type": "image/png"}]  # fmt: skip
    with pytest.raises(InvalidMessageError) as raised:
        await ATTACHMENTS.prepare(make(attachments=files))
    assert [p.field for p in raised.value.problems] == [
        "/attachments/0/content", "/attachments/2/content_type",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Rechnung März.pdf", "Rechnung März.pdf"), ("a.pdf. . .", "a.pdf"), (" .hidden", "hidden"),
        ("CON", "_CON"), ("nul.txt", "_nul.txt"), ("COM1.tar.gz", "_COM1.tar.gz"),
        ("COM10.txt", "COM10.txt"), ("con tract.pdf", "con tract.pdf"), ("a\u2066b\u2069.pdf",
        "ab.pdf"),
        ("a\u200b\u00ad.pdf", "a.pdf"), ("a\u202efdp.exe", "afdp.exe"), ("a  b\u00a0c.txt",
        "a b c.txt"),
        ("e\u0301.txt", "é.txt"), ("...", "attachment"), ("\u200f", "attachment"),
        ("../../x", "_.._x"), ("a:b.txt", "a_b.txt"), ("👩‍👩‍👧.png", "👩‍👩‍👧.png"),
    ],
)  # fmt: skip
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_any_name_becomes_safe_and_stays(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= LONGEST
    assert not re.search(r'[/\\:*?"<>|\x00-\x1f\x7f]', safe)
    assert safe == safe.strip(" .")
    assert Attachment(name=safe, content=b"").name == safe


def test_a_long_name_keeps_its_extension() -> None:
    safe = safe_name("ü" * 190 + ".docx")
    assert safe.endswith("ü.docx")
    assert len(safe.encode()) <= LONGEST


def test_hidden_extensions() -> None:
    for name in ("invoice.pdf.exe", "a.docx.js", "a.jpg      .scr", "x.y.pdf.lnk"):
        assert hides_extension(name)
    for name in ("a.tar.gz", "setup.exe", "v1.2.exe", "a.min.js", "a.pdf", "a.exe.pdf"):
        assert not hides_extension(name)


async def test_a_name_is_written_so_that_readers_get_it() -> None:
    names = ["Rechnung März – 2026.pdf", "a=_utf-8_q_b_=.pdf", "日本語の長い名前" * 5 + ".pdf"]
    message = await ATTACHMENTS.prepare(
        make(attachments=[{"name": name, "content": PDF} for name in names])
    )
    assert send(message).old_file_names() == [safe_name(name) for name in names]


async def test_an_image_that_is_missing_is_told() -> None:
    logo = {"name": "logo.png", "content": PNG, "inline_id": "logo"}
    shown = make(html='<img src="cid:logo">', attachments=[logo])
    assert (await ATTACHMENTS.prepare(shown)).attachments[0].inline_id == "logo"
    for html in ('<img src="cid:other">', "<img src=cid:other>", "<td background='CID:other'>",
                 "<p style=\"background:url('cid:other')\">"):  # fmt: skip
        found = await problem(make(html=html, attachments=[logo]))
        assert found.field == "/html"
        assert "cid:other" in found.detail
    await ATTACHMENTS.prepare(make(html="<p>In mail, cid:x names an image.</p>"))


async def test_a_fetched_file_takes_what_the_response_says() -> None:
    giving = Giving(PDF, "../Bericht\u202e.pdf", "application/pdf")
    message = make(attachments=[{"url": "https://files.contoso.com/x"}])
    (file,) = (await Attachments(giving, size_limit=1000).prepare(message)).attachments
    assert (file.name, file.content_type, file.url) == ("_Bericht.pdf", "application/pdf", None)
    named = make(attachments=[{"url": "https://files.contoso.com/x", "name": "mine.pdf"}])
    (file,) = (await Attachments(giving, size_limit=1000).prepare(named)).attachments
    assert file.name == "mine.pdf"


async def test_a_fetched_file_is_judged_like_any_other() -> None:
    message = make(attachments=[{"url": "https://files.contoso.com/x", "name": "a.pdf"}])
    found = await problem(message, Attachments(Giving(EXE), size_limit=1000))
    assert found.field == "/attachments/0/content"


async def test_a_refused_file_is_told_at_its_address() -> None:
    found = await problem(make(attachments=[{"url": "https://files.contoso.com/x?sig=1"}]))
    assert found.field == "/attachments/0/url"
    assert "sig" not in str(found)


async def test_together_they_keep_to_the_limit() -> None:
    files: list[Any] = [{"name": "a.txt", "content": b"x" * 600}]
    giving = Giving(b"y" * 300, "y.txt")
    message = make(attachments=[*files, *[{"url": "https://f.contoso.com/y"}] * 2])
    found = await problem(message, Attachments(giving, size_limit=1000))
    assert found.field == "/attachments"
    assert giving.limits[0] == 400
    linked = [{"url": "https://f.contoso.com/y", "deliver": "link"}] * 2
    ready = await Attachments(giving, size_limit=1000).prepare(make(attachments=[*files, *linked]))
    assert [f.content for f in ready.attachments[1:]] == [b"y" * 300] * 2


async def test_only_so_many_are_fetched() -> None:
    message = make(attachments=[{"url": "https://f.contoso.com/y"}] * 11)
    assert (await problem(message)).field == "/attachments"


async def test_a_message_without_files_comes_back_as_it_is() -> None:
    message = make()
    assert await ATTACHMENTS.prepare(message) is message


def test_an_address_is_not_on_show() -> None:
    message = make(attachments=[{"url": "https://f.contoso.com/y?sig=abc"}])
    assert "sig=abc" not in repr(message)
