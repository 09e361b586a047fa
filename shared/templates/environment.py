"""Jinja2 as templates see it: sandboxed, strict about what is missing, with bounded operators.

The time and memory of a rendering are bounded by its process; here only stands what would blow
both up within one operation, so that the error can say what it was.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from shared.errors import TemplateLimitError

_OURS = frozenset(["brand", "texts", "language", "unsubscribe_url", "preheader", "subject"])
_MAX_EXPONENT = 64
_MAX_BITS = 4096
_MAX_SEARCHED = 200_000  # values looked at to tell where a missing one would stand


class Missing(StrictUndefined):
    """What a template asked for and was not given; any use of it is an error."""

    __slots__ = ()

    @property
    def place(self) -> tuple[Any, str | int]:
        """The object that was asked (jinja2's `missing` for the context itself), and the name."""
        return self._undefined_obj, self._undefined_name or ""

    def refuse(self, *_args: Any, **_kwargs: Any) -> Any:
        raise MissingValueError(self)

    # What StrictUndefined refuses, and the names that it leaves to Undefined.
    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = __contains__ = refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __div__ = __rdiv__ = refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = refuse
    __pos__ = __neg__ = __call__ = __getitem__ = __lt__ = __le__ = __gt__ = __ge__ = refuse
    __int__ = __float__ = __complex__ = __pow__ = __rpow__ = refuse
    _fail_with_undefined_error = refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python's protocols ask; templates cannot
            raise AttributeError(name)
        return self.refuse()


class MissingValueError(UndefinedError):
    """A missing value was used."""

    def __init__(self, value: Missing) -> None:
        super().__init__("a value is missing")
        self.owner, self.name = value.place


class Environment(ImmutableSandboxedEnvironment):
    """`limit` is the number of characters that one operation may make of text or lists."""

    intercepted_binops = frozenset(["*", "**", "%"])

    def __init__(
        self, *, limit: int, autoescape: bool, trim: bool = True, **delimiters: str
    ) -> None:
        super().__init__(
            autoescape=autoescape, undefined=Missing, trim_blocks=trim, lstrip_blocks=trim,
            finalize=_nothing_for_null, optimized=False, **delimiters,
        )  # fmt: skip
        self._limit = limit
        # What loads a module, or tells of the machine, has no place in a mail.
        for name in ("lipsum", "cycler", "joiner"):
            del self.globals[name]

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            self._check_repeat(left, right)
            self._check_repeat(right, left)
        elif operator == "**":
            if not all(isinstance(n, int | float) for n in (left, right)) or (
                abs(right) > _MAX_EXPONENT or abs(left) > 10**9
            ):
                raise TemplateLimitError(
                    "A power is too large.", fix="Reckon it before the data is sent."
                )
        elif operator == "%" and isinstance(left, str):
            raise TemplateLimitError(
                "The operator % formats text.", fix="Use ~ to join, or the filters number and date."
            )
        return super().call_binop(context, operator, left, right)

    def _check_repeat(self, what: Any, times: Any) -> None:
        if isinstance(what, str | list | tuple) and isinstance(times, int):
            if len(what) * times > self._limit:
                raise TemplateLimitError(
                    "A text or list is repeated too often.", fix="Repeat less in the template."
                )
        elif isinstance(what, int) and not isinstance(what, bool) and what.bit_length() > _MAX_BITS:
            raise TemplateLimitError("A number is too large.", fix="Reckon it before.")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        # str.format takes widths of gigabytes and paths into objects; filters do its work.
        if isinstance(obj, str) and attr in {"format", "format_map"}:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:  # noqa: ARG002
        raise SecurityError(f"access to {attribute!r} is not allowed in a template")


def name_place(owner: Any, name: str | int, roots: Mapping[str, Any]) -> str:
    """The path of a missing value, such as `data.items[3].price`.

    owner: the very object that lacks it; it is looked for in `roots`.
    """
    if owner is missing or owner is None:
        return f"data.{name}" if str(name) not in _OURS else str(name)
    for path, value in _walk(roots):
        if value is owner:
            return path + _step(name)
    return f"…{_step(name)}"


def _walk(roots: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    waiting = [(name, value) for name, value in reversed(list(roots.items()))]
    for _ in range(_MAX_SEARCHED):
        if not waiting:
            return
        path, value = waiting.pop()
        yield path, value
        if isinstance(value, dict):
            waiting += [(path + _step(key), member) for key, member in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[{i}]", member) for i, member in enumerate(value)]


def _step(name: str | int) -> str:
    if isinstance(name, int):
        return f"[{name}]"
    return f".{name}" if name.isidentifier() else f"[{name!r}]"


@pass_context
def _nothing_for_null(_context: Context, value: Any) -> Any:
    """JSON's null is no text. With a context, so that nothing is printed at compile time already,
    in whatever language was then at hand."""
    return "" if value is None else value
