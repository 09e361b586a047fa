"""The fast way and the slow one make the same mail, or the template goes the slow way."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.templates.fast import essence
from shared.templates.filters import LocalFilters
from shared.templates.rendering import Filling, Rendering
from tests.templates.sources import BRAND, LIMIT, column, make_bundle, text

ITEMS = st.lists(
    st.fixed_dictionaries({"name": st.text(max_size=12), "n": st.integers(-5, 10**6)}), max_size=4
)
DATA = st.fixed_dictionaries(
    {
        "name": st.text(max_size=20), "flag": st.booleans(), "other": st.booleans(),
        "things": ITEMS, "url": st.just("https://c.test/") | st.just("https://c.test/?a=1&b=2"),
        "lines": st.text(alphabet="ab \n<&", max_size=20),
    }
)  # fmt: skip
SAMPLE = {
    "name": "Ana", "flag": True, "other": False, "things": [{"name": "a", "n": 1}],
    "url": "https://c.test/", "lines": "a\nb",
}  # fmt: skip

ROW = "<tr><td>{{ i.name }}</td><td>{{ i.n | number }}</td></tr>"
MANY = "{% for i in things %}"
FAST = {
    "text": text("Hello {{ name }}{% if flag %}, and {{ lines | line_breaks }}{% endif %}."),
    "rows": column(f"<mj-table>{MANY}{ROW}{{% endfor %}}</mj-table>"),
    "rows after a head": column(
        f"<mj-table><tr><th>A</th></tr>{MANY}{ROW}{{% else %}}<tr><td>none</td></tr>"
        "{% endfor %}</mj-table>"
    ),
    "rows in a body": column(
        f"<mj-table><thead><tr><th>A</th></tr></thead><tbody>{MANY}{ROW}{{% endfor %}}</tbody>"
        "</mj-table>"
    ),
    "rows after a thead": column(
        f"<mj-table><thead><tr><th>A</th></tr></thead>{MANY}{ROW}{{% endfor %}}</mj-table>"
    ),
    "two bodies": column(
        f"<mj-table>{MANY}{{% if i.n > 9 %}}{ROW}{{% else %}}<tr><td>few</td></tr>{{% endif %}}"
        "{% endfor %}</mj-table>"
    ),
    "components": column(
        f"{MANY} <mj-text>{{{{ i.name }}}}</mj-text> \n {{% if flag %}}\n<mj-button "
        'href="{{ url }}">Go</mj-button>{% elif other %}<mj-divider />{% endif %} {% endfor %}'
    ),
    "sections": "<mjml><mj-body>{% if flag %}<mj-section><mj-column><mj-text>{{ name }}</mj-text>"
    f"</mj-column></mj-section>{{% endif %}}{MANY}<mj-section><mj-column><mj-text>{{{{ i.n }}}}"
    "</mj-text></mj-column></mj-section>{% endfor %}</mj-body></mjml>",
    "attributes": column(
        '<mj-image src="{% if flag %}{{ url }}{% else %}https://c.test/i{% endif %}" '
        'alt="{{ name }} {% if other %}!{% endif %}" /><mj-button color="{{ brand.colour }}" '
        'href="{{ url }}#{{ name }}">{{ name }}</mj-button>'
    ),
    "variables": column(
        "{% set n = things | length %}<mj-text>{{ n }} {% set m = n + 1 %}{{ m }}</mj-text>"
        "{% set ns = namespace(sum=0) %}<mj-text>{% for i in things %}"
        "{% set ns.sum = ns.sum + i.n %}{% endfor %}{{ ns.sum }}</mj-text>"
    ),
    "a hero": '<mjml><mj-body><mj-hero mode="fixed-height" height="200px">'
    "{% for i in things %}<mj-text>{{ i.name }}</mj-text>{% endfor %}{% if flag %}<mj-button "
    'href="{{ url }}">Go</mj-button>{% endif %}</mj-hero></mj-body></mjml>',
    "variables between columns": "<mjml><mj-body><mj-section>{% set n = things | length %}"
    "<mj-column><mj-text>{{ n }}</mj-text></mj-column><mj-column><mj-text>{{ n }}</mj-text>"
    "</mj-column></mj-section></mj-body></mjml>",
    "a brand": "<mjml><mj-head><mj-attributes><mj-class name='b' background-color="
    "'{{ brand.colour }}' /></mj-attributes><mj-style>.x { color: {{ brand.colour }} }</mj-style>"
    "</mj-head><mj-body>{% if brand.logo_url %}<mj-section><mj-column><mj-image alt='' src="
    "'{{ brand.logo_url }}' /></mj-column></mj-section>{% else %}<mj-section><mj-column><mj-text>"
    "{{ brand.name }}</mj-text></mj-column></mj-section>{% endif %}{% if unsubscribe_url %}"
    "<mj-section><mj-column><mj-button mj-class='b' href='{{ unsubscribe_url }}'>Stop</mj-button>"
    "</mj-column></mj-section>{% endif %}</mj-body></mjml>",
    "lists": text("<ul>{% for i in things %}<li>{{ i.name }}</li>{% endfor %}</ul>"),
    "paragraphs": text("{% for i in things %}<p>{{ i.name }} {{ loop.index }}</p>{% endfor %}"),
    "title and preview": "<mjml><mj-head><mj-title>{{ name }}</mj-title>"
    "<mj-preview>{{ name }}</mj-preview><mj-style>.a{color:red}</mj-style></mj-head><mj-body>"
    "<mj-section><mj-column><mj-text><i class='a'>x</i></mj-text></mj-column></mj-section>"
    "</mj-body></mjml>",
}  # fmt: skip
SLOW = {
    "columns": "<mjml><mj-body><mj-section>{% for i in things %}<mj-column><mj-text>{{ i.n }}"
    "</mj-text></mj-column>{% endfor %}</mj-section></mj-body></mjml>",
    "a width": column('<mj-divider width="{{ things | length * 10 }}px" />'),
    "a class": text('<b class="{% if flag %}a{% endif %}">x</b>'),
    "an attribute": column("<mj-text {% if flag %}align='right'{% endif %}>x</mj-text>"),
    "half an element": text("{% if flag %}<b>{% endif %}x{% if flag %}</b>{% endif %}"),
    "half a row": column(
        "<mj-table><tr>{% for i in things %}<td>{{ i.n }}</td>{% if flag %}</tr><tr>{% endif %}"
        "{% endfor %}</tr></mj-table>"
    ),
    "a statement in the title": "<mjml><mj-head><mj-title>{% if flag %}a{% endif %}</mj-title>"
    "</mj-head><mj-body><mj-section /></mj-body></mjml>",
    "sections in a wrapper": "<mjml><mj-body><mj-wrapper>{% for i in things %}<mj-section>"
    "<mj-column><mj-text>{{ i.n }}</mj-text></mj-column></mj-section>{% endfor %}</mj-wrapper>"
    "</mj-body></mjml>",
    "neighbours": "<mjml><mj-head><mj-style>p:first-child{color:red}</mj-style></mj-head><mj-body>"
    "<mj-section><mj-column><mj-text>{% if flag %}<p>a</p>{% endif %}<p>b</p></mj-text>"
    "</mj-column></mj-section></mj-body></mjml>",
    "markup": text("{{ ('<b>' ~ name | e ~ '</b>') | safe }}"),
    "a macro of components": "{% macro m(x) %}<mj-text>{{ x }}</mj-text>{% endmacro %}"
    + column("{{ m(name) }}{% for i in things %}{{ m(i.name) }}{% endfor %}"),
    "raw": text("{% raw %}{{ not a value }}{% endraw %} {{ name }}"),
}  # fmt: skip


def rendering_of(body: str) -> Rendering:
    return Rendering(make_bundle(body, sample=SAMPLE), "en", BRAND, limit=LIMIT)


RENDERINGS = {name: rendering_of(body) for name, body in (FAST | SLOW).items()}


@pytest.mark.parametrize("name", FAST)
def test_these_go_the_fast_way(name: str) -> None:
    assert RENDERINGS[name].fast is not None


@pytest.mark.parametrize("name", SLOW)
@settings(deadline=None, max_examples=10)
@given(data=DATA)
def test_these_go_the_slow_way_and_render(name: str, data: dict[str, Any]) -> None:
    assert RENDERINGS[name].fast is None
    filters = LocalFilters("en", "UTC")
    assert RENDERINGS[name].render(Filling(data, {}, filters)).html


@pytest.mark.parametrize("name", FAST)
@settings(deadline=None, max_examples=40)
@given(data=DATA, writing=st.sampled_from(["en", "de-AT", "fr"]))
def test_both_ways_make_the_same_mail(name: str, data: dict[str, Any], writing: str) -> None:
    rendering = RENDERINGS[name]
    assert rendering.fast is not None
    filters = LocalFilters(writing, "Europe/Vienna")
    values = rendering.values(Filling(data, {}, filters))
    slow_html, slow_text = rendering.slow_bodies(values, filters)
    html, text = rendering.fast.bodies(values, filters, LIMIT)
    assert text == slow_text
    assert essence(html) == essence(slow_html)
    assert json.dumps(html)
