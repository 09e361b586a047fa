"""The names that topics can have: those of messages, settings and events alike."""

import re

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def is_topic(text: str) -> bool:
    """Whether it can be a topic's name."""
    return _NAME.fullmatch(text) is not None
