"""Unsubscribing: the ways out of a mail, who takes them, and the page where people choose."""

from pathlib import Path

from shared.unsubscribing.footer import with_unsubscribe_footer
from shared.unsubscribing.links import UnsubscribeLinks
from shared.unsubscribing.tokens import Subscriber, Tokens

PREFERENCE_PAGES = Path(__file__).parent / "html"
"""Where the templates of the preference page are."""

__all__ = [
    "PREFERENCE_PAGES", "Subscriber", "Tokens", "UnsubscribeLinks", "with_unsubscribe_footer",
]  # fmt: skip
