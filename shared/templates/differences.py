"""What differs between two bundles: a unified diff for each file."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileDifference:
    """change: added, removed or changed. diff: unified, with three lines of context."""

    file: str
    change: str
    diff: str


def compare(
    old: Mapping[str, str], new: Mapping[str, str], *, old_name: str, new_name: str
) -> list[FileDifference]:
    """The files that differ, in the order of their names."""
    found = []
    for file in sorted({*old, *new}):
        before, after = old.get(file), new.get(file)
        if before == after:
            continue
        change = "added" if before is None else "removed" if after is None else "changed"
        lines = difflib.unified_diff(
            (before or "").splitlines(), (after or "").splitlines(),
            f"{old_name}/{file}", f"{new_name}/{file}", lineterm="",
        )  # fmt: skip
        found.append(FileDifference(file, change, "\n".join(lines) + "\n"))
    return found
