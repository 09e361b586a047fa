"""Rules about attachments: what Exchange Online and Outlook do not let through by default."""

from shared.lint.document import cut
from shared.lint.lists import load_lists
from shared.lint.mail import Mail
from shared.lint.report import Report

_LISTS = load_lists()["attachments"]
REJECTED, BLOCKED = frozenset(_LISTS["rejected"]), frozenset(_LISTS["blocked"])
BLOCKED_TYPES = frozenset(_LISTS["blocked_types"])
_TRUSTED = frozenset(_LISTS["trusted"])  # before an extension that runs something
_RUNS = REJECTED | BLOCKED | frozenset(_LISTS["runs"])


def check_attachments(mail: Mail, report: Report) -> None:
    """Notes attachments that will not arrive, or not be opened."""
    for index, attachment in enumerate(mail.message.attachments):
        place = f"/attachments/{index}/name"
        name = attachment.name.rstrip(" .").lower()
        ending = name.rpartition(".")[2] if "." in name else ""
        shown = f"“{cut(attachment.name)}”"
        before = name.rpartition(".")[0].rpartition(".")
        if ending in REJECTED:
            report.add("attachment-rejected", place, f"{shown} is a .{ending} file.")
        elif ending in BLOCKED:
            report.add("attachment-blocked", place, f"{shown} is a .{ending} file.")
        elif attachment.content_type in BLOCKED_TYPES:
            report.add(
                "attachment-blocked", f"/attachments/{index}/content_type",
                f"Its type is {cut(attachment.content_type)}.",
            )  # fmt: skip
        if (
            ending in _RUNS
            and ending not in _TRUSTED - {"htm", "html"}
            and before[1]
            and (before[2].strip() in _TRUSTED - {ending})
        ):
            what = f"{shown} looks like a .{before[2].strip()} file and is none."
            report.add("attachment-double-extension", place, what)
