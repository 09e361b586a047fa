"""The templates that come with the app: the folder `templates/` of the repository."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from shared.templates.bundle import Bundle, read_folder

FOLDER = Path(__file__).resolve().parents[2] / "templates"


class PackagedTemplates:
    """Read at first use."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    @cached_property
    def bundles(self) -> Mapping[str, Bundle]:
        return read_folder(self._folder)

    def version(self, name: str) -> str:
        """The name of a packaged template's version."""
        return f"stock-{self.bundles[name].digest[:12]}"
