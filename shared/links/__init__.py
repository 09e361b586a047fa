"""Secure links: files that stay with Mailroom, and mail that leads to them."""

from pathlib import Path

from shared.links.link import Link
from shared.links.posting import LinkedMessage, LinkPosting
from shared.links.register import LinkRegister
from shared.links.retention import LinkRetention
from shared.links.visits import LinkVisits, Visit

LINK_PAGES = Path(__file__).parent / "html"
"""Where the templates of the links' pages are."""

__all__ = [
    "LINK_PAGES", "Link", "LinkPosting", "LinkRegister", "LinkRetention", "LinkVisits",
    "LinkedMessage", "Visit",
]  # fmt: skip
