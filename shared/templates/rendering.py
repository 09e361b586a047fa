"""One template in one language: read and put together once, then filled for each recipient.

What a template is, is said by the slow way: its Jinja runs with the recipient's data and makes
MJML (or HTML) in which tokens stand for the values; that becomes HTML with its CSS inlined, and
the HTML becomes the plain text; then the values, escaped, take the places of the tokens. The fast
way (`shared.templates.fast`) does the same with tokens for statements too, once for all data.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import FunctionLoader
from markupsafe import escape

from shared.errors import TemplateError
from shared.templates import conversion
from shared.templates.brand import complete_brand
from shared.templates.bundle import Bundle
from shared.templates.definition import read_definition, read_sample
from shared.templates.environment import Environment
from shared.templates.fast import FastWay, build_fast_way, essence
from shared.templates.filters import LocalFilters
from shared.templates.grammar import check_markup
from shared.templates.held import PRIVATE, Holder, clean
from shared.templates.languages import fallbacks, is_rtl, merge_texts, pick
from shared.templates.plain import draft_text, finish_text
from shared.templates.positions import Placed, place
from shared.templates.program import Program, check_size
from shared.templates.source import cut, flatten

MAX_SUBJECT = 500  # characters, as of a message's subject

CALLS = {
    "text": "_hold", "comment": "_hold", "link": "_link", "address": "_address",
    "plain": "_plain", "part": "_part",
}  # fmt: skip

_UNSAFE_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e]")

RESERVED = ("data", "brand", "texts", "language", "unsubscribe_url", "preheader", "subject")


@dataclass(frozen=True, slots=True)
class Filling:
    """What one recipient's mail is made of: data, what the app adds, and where they are."""

    data: Mapping[str, Any]
    extra: Mapping[str, Any]
    filters: LocalFilters


@dataclass(frozen=True, slots=True)
class Mail:
    """subject: one line. html, text: as they go into a message."""

    subject: str
    html: str
    text: str


class Rendering:
    """A template in one of its languages. limit: characters that each body may have.

    Raises TemplateError where the sources cannot be used.
    """

    def __init__(
        self, bundle: Bundle, language: str, brand: Mapping[str, Any], *, limit: int
    ) -> None:
        _check_characters(bundle)
        self.definition = read_definition(bundle)
        self.language = language
        self.rtl = is_rtl(language)
        self.brand = complete_brand(brand)
        self.texts = merge_texts(self.definition.texts, language, self.definition.default_language)
        self._bundle, self.limit = bundle, limit
        self._holder = Holder()
        self.plain = self._environment(autoescape=False)
        self.marked = self._environment(autoescape=True)
        self.marked.globals.update(self._holder.functions)
        self._subject = self._line("subject")
        self._preheader = self._line("preheader")
        self.body_file = self._find("mjml") or self._find("html")
        if not self.body_file:
            raise TemplateError("There is no body.", fix="Add body.mjml or body.html.")
        self.placed, self.reader = place(flatten(self.marked, bundle.files, self.body_file))
        self._body = _with_calls(self.marked, self.placed)
        text_file = self._find("txt")
        self._text = self._text_program(text_file) if text_file else None
        self.fast = self._checked(build_fast_way(self))

    def _checked(self, fast: FastWay | None) -> FastWay | None:
        """The fast way, if it does with the sample data what the slow one does."""
        if fast is None or "sample.json" not in self._bundle.files:
            return None
        filters = LocalFilters("en", "UTC")
        try:
            sample = read_sample(self._bundle)
            values = self.values(Filling(sample, {}, filters))
            slow = self.slow_bodies(values, filters)
            html, text = fast.bodies(values, filters, self.limit)
        except TemplateError:
            return None  # the sample is wrong: validation tells
        return fast if essence(html) == essence(slow[0]) and text == slow[1] else None

    @property
    def is_mjml(self) -> bool:
        return self.body_file.endswith(".mjml")

    @property
    def has_own_text(self) -> bool:
        return self._text is not None

    def render(self, filling: Filling) -> Mail:
        """The mail of one recipient. Raises TemplateError."""
        values = self.values(filling)
        bodies = None
        if self.fast is not None:
            try:
                bodies = self.fast.bodies(values, filling.filters, self.limit)
            except TemplateError:
                bodies = None  # the slow way knows where in the sources
        html, text = bodies or self.slow_bodies(values, filling.filters)
        return self.finish(values, filling.filters, html, text)

    def values(self, filling: Filling) -> dict[str, Any]:
        """All that a template sees; subject and preheader are made on the way."""
        values = {
            **{n: v for n, v in filling.data.items() if n.isidentifier() and n[0] != "_"},
            "data": filling.data, "unsubscribe_url": "", **filling.extra, "brand": self.brand,
            "texts": self.texts, "language": self.language, "preheader": "", "subject": "",
        }  # fmt: skip
        for name, program in (("subject", self._subject), ("preheader", self._preheader)):
            if program is not None:
                line = program.render(values, filling.filters, self.limit)
                values[name] = one_line(line)[:MAX_SUBJECT]
        return values

    def slow_bodies(self, values: Mapping[str, Any], filters: LocalFilters) -> tuple[str, str]:
        """HTML and its plain text for one recipient, all steps taken."""
        self._holder.values.clear()
        source = self._body.render(values, filters, self.limit)
        html, text = self.convert(source)
        html, text = self._holder.put_in(html, text)
        return html, "" if self.has_own_text else finish_text(text)

    def convert(self, source: str) -> tuple[str, str]:
        """HTML, and the draft of its text, of a source in which tokens stand for values."""
        html = conversion.set_language(source, self.language, rtl=self.rtl)
        if self.is_mjml:
            html = self._from_mjml(html)
        html = conversion.inline_css(conversion.begin_table_bodies(html))
        html = conversion.set_language(html, self.language, rtl=self.rtl)
        if self.rtl and self.is_mjml:
            html = conversion.mirror(html)
        html = conversion.complete_head(html)
        return html, "" if self.has_own_text else draft_text(html)

    def _from_mjml(self, source: str) -> str:
        try:
            return conversion.mjml_to_html(source)
        except TemplateError as error:
            # mrml names no line: the first fault against the grammar is most likely the reason.
            raise next(check_markup(self.reader, mjml=True), error) from None

    def finish(
        self, values: Mapping[str, Any], filters: LocalFilters, html: str, text: str
    ) -> Mail:
        """The mail, with its preheader and its own text where the template has one."""
        if self._text is not None:
            text = self._text.render(values, filters, self.limit).rstrip() + "\n"
        if values["preheader"] and not self._shows_preheader:
            before, after = conversion.PREHEADER
            html = conversion.add_to_body(html, f"{before}{escape(values['preheader'])}{after}")
        for body in (html, text):
            check_size(len(body), self.limit)
        return Mail(values["subject"], clean(html), clean(text))

    @property
    def _shows_preheader(self) -> bool:
        return any(tag.name == "mj-preview" for tag in self.reader.tags)

    def _environment(self, *, autoescape: bool) -> Environment:
        environment = Environment(limit=self.limit, autoescape=autoescape)
        # Looked up when a template is compiled, replaced by the recipient's at each rendering.
        environment.filters.update(LocalFilters("en", "UTC").filters)
        environment.loader = FunctionLoader(
            self._imported if autoescape else self._bundle.files.get
        )
        return environment

    def _imported(self, name: str) -> str | None:
        """A file of macros, for `import`."""
        if name not in self._bundle.files:
            return None
        placed, _ = place(flatten(self.marked, self._bundle.files, name))
        return "".join(map(call_for, placed))

    def _line(self, name: str) -> Program | None:
        """The program of `subject` or `preheader`."""
        sources = getattr(self.definition, name)
        source = pick(sources, self.language, self.definition.default_language)
        if not source:
            return None
        pieces = cut(self.plain, source, "template.json")
        return Program(self.plain, pieces, [piece.text for piece in pieces])

    def _find(self, kind: str) -> str:
        """The body of a kind for the language: body.de-AT.mjml, body.de.mjml, body.mjml; ""."""
        names = [f"body.{name}.{kind}" for name in fallbacks(self.language)] + [f"body.{kind}"]
        return next((name for name in names if name in self._bundle.files), "")

    def _text_program(self, file: str) -> Program:
        pieces = flatten(self.plain, self._bundle.files, file)
        return Program(self.plain, pieces, [piece.text for piece in pieces])


def one_line(text: str) -> str:
    """Fit for a header field: no line break, no control, no override of direction."""
    return " ".join(_UNSAFE_IN_LINE.sub(" ", clean(text)).split())


def _with_calls(environment: Environment, placed: Sequence[Placed]) -> Program:
    pieces = [p.piece for p in placed]
    return Program(environment, pieces, [call_for(p) for p in placed])


def call_for(placed: Placed) -> str:
    """The source of a piece, with expressions handed to what holds their values."""
    piece = placed.piece
    if piece.kind == "raw":
        return f"{{% raw %}}{piece.text}{{% endraw %}}"
    if piece.kind != "expression":
        return piece.text
    start = piece.text.find(piece.code)
    before, after = piece.text[:start], piece.text[start + len(piece.code) :]
    return f"{before}{CALLS[placed.kind]}(({piece.code})){after}"


def _check_characters(bundle: Bundle) -> None:
    for name, text in bundle.files.items():
        if found := PRIVATE.search(text):
            raise TemplateError(
                "It holds a private-use character (U+E000 to U+E00F).", fix="Remove it.",
                file=name, line=text.count("\n", 0, found.start()) + 1,
            )  # fmt: skip
