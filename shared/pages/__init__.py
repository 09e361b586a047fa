"""Pages that recipients see: server-rendered, without scripts, without a word to third parties."""

from shared.pages.language import LANGUAGES, choose_language
from shared.pages.page import Page, Pages

__all__ = ["LANGUAGES", "Page", "Pages", "choose_language"]
