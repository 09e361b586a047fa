"""Whatever a template or its data does, rendering ends in time with a clear error, and goes on."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from shared.errors import TemplateError, TemplateLimitError
from shared.templates.bundle import Bundle
from shared.templates.templates import RenderItem, Templates
from tests.templates.conftest import Shelf
from tests.templates.sources import column, make_bundle, text

BOMBS: dict[str, str] = {
    "nested loops": text(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
        "{% endfor %}{% endfor %}{% endfor %}"
    ),
    "much text": text("{% for a in range(99999) %}{{ 'many words ' * 99 }}{% endfor %}"),
    "a repeated text": text("{{ 'a' * 10**9 }}"),
    "a repeated list": text("{{ ([1] * 10**9) | length }}"),
    "a power": text("{{ 9 ** 9 ** 9 ** 9 }}"),
    "a product": text(
        "{% set n = namespace(v=10**60) %}{% for a in range(99) %}{% set n.v = n.v * n.v %}"
        "{% endfor %}{{ n.v }}"
    ),
    "doubling": text(
        "{% set n = namespace(v='a') %}"
        "{% for a in range(99) %}{% set n.v = n.v ~ n.v %}{% endfor %}"
    ),
    "a huge range": text("{% for a in range(10**9) %}{% endfor %}"),
    "a centred text": text("{{ 'a' | center(10**9) }}"),
    "an indented text": text("{{ ('a\n' * 10**4) | indent(10**6) }}"),
    "a wide format": text("{{ '%1000000000d' | format(1) }}"),
    "a wide operator": text("{{ '%1000000000d' % 1 }}"),
    "a wide method": text("{{ '{:1000000000}'.format(1) }}"),
    "a path in a format": text("{{ '{0.__class__.__mro__}'.format(1) }}"),
    "the class": text("{{ ''.__class__.__mro__ }}"),
    "the subclasses": text("{{ ''.__class__.__base__.__subclasses__() }}"),
    "the globals": text("{{ range.__globals__ }}"),
    "the init": text("{{ self.__init__.__globals__ }}"),
    "a macro that calls itself": text("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
    "a loop that calls itself": text(
        "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}"
    ),
    "a block set in a loop": text(
        "{% set n = namespace(v='ab') %}{% for a in range(60) %}"
        "{% set n.v %}{{ n.v }}{{ n.v }}{% endset %}{% endfor %}"
    ),
    "a replacement": text("{{ ('a' * 9999) | replace('a', 'b' * 99999) }}"),
    "a sum of lists": text("{{ ([[1] * 9999] * 9999) | sum(start=[]) | length }}"),
    "a batch": text("{% for a in [1] | batch(10**9, 0) %}{% endfor %}"),
    "slices": text("{% for a in [1] | slice(10**9) %}{% endfor %}"),
    "deep markup": text("<div>" * 20_000),
    "deep parentheses": text("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"),
    "itself included": column('{% include "body.mjml" %}'),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_ends_within_its_bounds(bomb: str, shelf: Shelf, templates: Templates) -> None:
    shelf.bundles["bomb"] = make_bundle(BOMBS[bomb])
    async with asyncio.timeout(30):
        with pytest.raises(TemplateError) as refused:
            await templates.render("bomb", {})
    assert refused.value.detail
    assert refused.value.fix


async def test_after_every_bomb_ordinary_mail_goes_on(shelf: Shelf, templates: Templates) -> None:
    shelf.bundles["good"] = make_bundle(text("Hello {{ name }}"))
    assert "Hello Ana" in (await templates.render("good", {"name": "Ana"})).html


def including(depth: int, width: int) -> Bundle:
    """A partial that includes the next one several times, and so on."""
    parts = {
        f"_partials/p{n}.mjml": f'{{% include "_partials/p{n + 1}.mjml" %}}' * width
        for n in range(depth)
    }
    parts[f"_partials/p{depth}.mjml"] = "<mj-text>x</mj-text>"
    return make_bundle(column('{% include "_partials/p0.mjml" %}'), files=parts)


@pytest.mark.parametrize(("depth", "width"), [(15, 10), (60, 1)])
async def test_includes_that_explode_are_refused(
    depth: int, width: int, shelf: Shelf, templates: Templates
) -> None:
    shelf.bundles["bomb"] = including(depth, width)
    with pytest.raises(TemplateLimitError):
        await templates.render("bomb", {})


DATA: dict[str, Any] = {
    "a long list": ["word"] * 300_000,
    "a long text": "a" * 3_000_000,
    "many tags": "<b>" * 100_000,
    "other people's scripts": "\u202e\u0627" * 100_000,
}


@pytest.mark.parametrize("kind", DATA)
async def test_huge_data_is_refused(kind: str, shelf: Shelf, templates: Templates) -> None:
    shelf.bundles["lines"] = make_bundle(
        text("{% if x is string %}{{ x }}{% else %}{% for i in x %}{{ i }}{% endfor %}{% endif %}")
    )
    with pytest.raises(TemplateLimitError):
        await templates.render("lines", {"x": DATA[kind]})


async def test_deep_data_is_refused(shelf: Shelf, templates: Templates) -> None:
    shelf.bundles["deep"] = make_bundle(text("{{ x }}"))
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TemplateError):
        await templates.render("deep", {"x": deep})


async def test_a_schema_may_not_take_for_ever(shelf: Shelf, templates: Templates) -> None:
    schema = {"type": "object", "properties": {"x": {"pattern": "^(a+)+$"}}}
    shelf.bundles["slow"] = make_bundle(text("{{ x }}"), schema=schema)
    with pytest.raises(TemplateLimitError):
        await templates.render("slow", {"x": "a" * 60 + "!"})


async def test_a_stuck_template_does_not_stop_others(shelf: Shelf, templates: Templates) -> None:
    shelf.bundles["stuck"] = make_bundle(BOMBS["nested loops"])
    shelf.bundles["good"] = make_bundle(text("Hello {{ name }}"))
    await templates.render("good", {"name": "Ana"})
    stuck = [asyncio.create_task(templates.render("stuck", {})) for _ in range(3)]
    await asyncio.sleep(0)
    good = await templates.render("good", {"name": "Ben"})
    assert "Hello Ben" in good.html
    assert not any(task.done() for task in stuck)
    for outcome in await asyncio.gather(*stuck, return_exceptions=True):
        assert isinstance(outcome, TemplateLimitError)


async def test_one_bad_recipient_of_a_batch_harms_no_other(
    shelf: Shelf, templates: Templates
) -> None:
    shelf.bundles["repeat"] = make_bundle(
        text("{% for a in range(n) %}{% for b in range(n) %}{% endfor %}{% endfor %}done")
    )
    items = [RenderItem({"n": n}) for n in (1, 2, 99_999, 3)]
    outcomes = await templates.render_many("repeat", items)
    assert [isinstance(o, TemplateLimitError) for o in outcomes] == [False, False, True, False]


async def test_a_caller_who_gives_up_leaves_no_confusion(
    shelf: Shelf, templates: Templates
) -> None:
    shelf.bundles["stuck"] = make_bundle(BOMBS["nested loops"])
    shelf.bundles["good"] = make_bundle(text("Hello {{ name }}"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await templates.render("stuck", {})
    results = await asyncio.gather(
        *(templates.render("good", {"name": f"n{i}"}) for i in range(20))
    )
    assert all(f"Hello n{i}" in result.html for i, result in enumerate(results))


async def test_a_process_that_was_killed_is_replaced(shelf: Shelf, templates: Templates) -> None:
    shelf.bundles["good"] = make_bundle(text("Hello {{ name }}"))
    await templates.render("good", {"name": "Ana"})
    for folder in _workers():
        os.kill(int(folder.name), signal.SIGKILL)
    for name in ("Ben", "Cem"):
        assert f"Hello {name}" in (await templates.render("good", {"name": name})).html


async def test_the_process_has_nothing_of_the_environment(
    shelf: Shelf, templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILROOM_SECRET_OF_TEST", "s3cret")
    shelf.bundles["good"] = make_bundle(text("Hello"))
    await templates.render("good", {})
    children = _workers()
    assert children
    for folder in children:
        names = {line.partition(b"=")[0] for line in _read(folder / "environ").split(b"\0")}
        assert names - {b""} <= {b"PYTHONPATH", b"LANG", b"LC_CTYPE"}


def _workers() -> list[Path]:
    """The folders in /proc of this process's own worker processes."""
    return [
        folder for folder in Path("/proc").glob("[0-9]*")
        if b"shared.templates.worker" in _read(folder / "cmdline")
        and _parent(folder) == os.getpid()
    ]  # fmt: skip


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _parent(folder: Path) -> int:
    fields = _read(folder / "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0
