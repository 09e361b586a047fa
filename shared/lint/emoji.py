"""Emoji (Unicode TR 51), near enough for counting them."""

import re

_PICTURE = "[\u2600-\u27bf\u2b05-\u2b55\u231a-\u231b\u23e9-\u23fa\U0001f300-\U0001faff]"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_MARKS = "\ufe0f\u20e3\U0001f3fb-\U0001f3ff"
# One picture with its skin, its presentation, and what joiners tie to it.
EMOJI = re.compile(f"(?:{_FLAG}|{_PICTURE}[{_MARKS}]*(?:\u200d{_PICTURE}[{_MARKS}]*){{0,8}})")


def count_emoji(text: str) -> int:
    return sum(1 for _ in EMOJI.finditer(text))


def is_emoji_only(text: str) -> bool:
    """Whether there is an emoji, and no letter or digit beside."""
    return bool(EMOJI.search(text)) and not any(c.isalnum() for c in EMOJI.sub("", text))
