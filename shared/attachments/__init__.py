"""Attachments: fetched from allowed hosts, typed by their content, named safely."""

from shared.attachments.attachments import Attachments, missing_images
from shared.attachments.fetching import Fetcher

__all__ = ["Attachments", "Fetcher", "missing_images"]
