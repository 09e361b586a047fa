"""Hostile input: nothing raises, time grows with the length, what is yielded is bounded."""

import time
import tracemalloc

import pytest

from shared.returned import Report, parse_report
from tests.returned.mails import mail, report

MEGABYTE = 1_000_000
DEADLINE = 3.0  # seconds for about 1 MB: generous, a loaded machine must not break it


def repeated(text: str, size: int = MEGABYTE) -> str:
    return text * (size // len(text))


def nested(depth: int) -> bytes:
    heads = "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(depth)
    )
    return ("From: mailer-daemon@x.test\nSubject: failure notice\n" + heads + "end").encode()


def nested_messages(depth: int) -> bytes:
    return (b"Subject: Fwd: failure\nContent-Type: message/rfc822\n\n" * depth) + b"end"


def boundary_bomb() -> bytes:
    head = 'Content-Type: multipart/report; report-type=delivery-status; boundary="-"\n\n'
    return (head + repeated("---\n")).encode()


def same_boundary(depth: int) -> bytes:
    part = '--b\nContent-Type: multipart/mixed; boundary="b"\n\n'
    return b'Content-Type: multipart/mixed; boundary="b"\n\n' + (part * depth).encode()


PATHOLOGICAL = {
    "nothing": b"",
    "zeros": bytes(MEGABYTE),
    "every byte": bytes(range(256)) * 4000,
    "parts 10,000 deep": nested(10_000),
    "messages 10,000 deep": nested_messages(10_000),
    "one boundary for all": same_boundary(10_000),
    "boundary lines": boundary_bomb(),
    "100,000 header lines": b"X-A: b\n" * 100_000 + b"\nbody",
    "100,000 continued lines": b"Subject: a\n" + b" b\n" * 100_000 + b"\nbody",
    "a header of 1 MB": b"Subject: " + b"a" * MEGABYTE + b"\n\nbody",
    "no line end": b"a" * MEGABYTE,
    "line ends": b"\r\n" * (MEGABYTE // 2),
    "carriage returns": b"\r" * MEGABYTE,
    "JSON": mail('{"notificationType":' + "[" * 50_000),
    "nested JSON": mail('{"notificationType":"Bounce","bounce":' + '{"a":' * 50_000),
}
CHARACTERS = [
    ">", "<", "=?", "=?utf-8?b?", "=?utf-8?q?=00?=", "@", "a@", "<a@", "a@b.", '"', "'", "(", "[", "\\", ":", ";", ".", "-", "--",
    "5.1.1", "550 ", "550-5.1.1 ", "5.", "\t", " ", " \n", "\n ", "&", "&#", "&lt;", "<style>", "<style", "<!--", "</", "<a href=", "Received: ",
    "received: by x\n", "From ", "> ", ">\n", "--- \n", "====\n", "RCPT TO:", "RCPT TO:<a@b.test>\n", "<<< ", "to: \n", "recipient", "recipient ",
    "recipient:\n", "delivered to ", "delivered ", "Action: failed\n", "Final-Recipient: rfc822; a@b.test\n", "Diagnostic-Code: smtp; 550\n",
    "https://", "http://x/", "a" * 70 + "@", "\x1b$B", "\x00", "é", "日本", "ann@fabrikam.test\n", "<ann@fabrikam.test>: ", "mailbox ", "exceeded ",
    "a.", "a-", 'a="', ";a=", "; a=b", "Message-ID: <", "message-id: <a@b>\n", "was automatically rejected:\n", "% ", "!\n ", "x-a:", "a: b\n",
]  # fmt: skip


def timed(content: bytes) -> Report:
    started = time.process_time()
    report = parse_report(content)
    assert time.process_time() - started < DEADLINE * max(1.0, len(content) / MEGABYTE)
    assert len(report.recipients) <= 500
    assert all(len(r.diagnostic) <= 1000 for r in report.recipients)
    assert len(report.text) <= 2000
    assert len(report.original_message_ids) <= 10
    return report


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_pathological_mails(name: str) -> None:
    timed(PATHOLOGICAL[name])


@pytest.mark.parametrize("piece", CHARACTERS, ids=ascii)
def test_a_megabyte_of_one_thing(piece: str) -> None:
    text = repeated(piece)
    timed(text.encode())
    timed(mail(text))
    timed(mail(text, Content_Type="text/html"))
    timed(mail("", subject=text))
    timed(mail("", sender=text))
    timed(report(text))
    timed(report(f"Final-Recipient: rfc822; {text}\nAction: failed\nDiagnostic-Code: smtp; {text}"))
    timed(report("", said=text, original=text.replace("{", "").replace("}", "")))


@pytest.mark.parametrize(
    "kind",
    [
        'text/plain; charset="{}"', "text/plain; charset={0};{0}={0}", 'multipart/mixed; boundary="{}"',
        "multipart/report; {}", "{}/{}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("piece", ["a", '"', "=", ";", "\\", " ", "a=", "*0*="])
def test_content_types(kind: str, piece: str) -> None:
    timed(
        mail(
            "body", Content_Type=kind.replace("{}", repeated(piece, 200_000)).replace("{0}", piece)
        )
    )


@pytest.mark.parametrize(
    "charset",
    ["punycode", "idna", "rot13", "zlib", "hex", "unicode_escape", "utf-7", "utf-16", "utf-32", "undefined",
     "mbcs", "iso-2022-kr", "hz-gb-2312", "iso-2022-jp-2004", "cp65001", "iso-8859-99", "x" * 500, "\x00"],
)  # fmt: skip
def test_charsets_that_are_none_or_harm(charset: str) -> None:
    body = "h\xe9llo \x1b$B~{ \xff\xfe " * 20_000
    content = mail("", Content_Type=f"text/plain; charset={charset}") + body.encode("latin-1")
    timed(content)


@pytest.mark.parametrize("transfer", ["base64", "quoted-printable", "x-uuencode", "binary", "8bit"])
@pytest.mark.parametrize(
    "body", ["=" * 200_000, "A" * 200_001, "=3" * 100_000, "é" * 100_000, "\n" * 200_000]
)
def test_broken_transfer_encodings(transfer: str, body: str) -> None:
    timed(mail(body, Content_Transfer_Encoding=transfer))


def test_50_000_recipients_yield_a_bounded_number() -> None:
    fields = "\n\n".join(
        f"Final-Recipient: rfc822; u{n}@fabrikam.test\nAction: failed\nStatus: 5.1.1"
        for n in range(50_000)
    )
    assert 100 < len(timed(report(fields)).recipients) <= 500
    lines = "\n".join(f"<u{n}@fabrikam.test>: user unknown" for n in range(50_000))
    assert 100 < len(timed(mail(lines, subject="Undeliverable")).recipients) <= 500
    header = ", ".join(f"u{n}@fabrikam.test" for n in range(50_000))
    assert 10 < len(timed(mail("failed", X_Failed_Recipients=header)).recipients) <= 500


def test_memory_is_bounded_by_a_part_of_the_content() -> None:
    """Of 30 MB that come back nearly all is the original's content: it is not read."""
    content = report("Final-Recipient: rfc822; ann@fabrikam.test\nAction: failed\nStatus: 5.1.1")
    content = content.replace(b"Thank you", b"Thank you" * 3_300_000)
    tracemalloc.start()
    try:
        told = parse_report(content)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [r.address for r in told.recipients] == ["ann@fabrikam.test"]
    assert most < 15 * MEGABYTE
