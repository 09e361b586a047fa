"""A template's faults as faults of the message that uses it."""

import pytest

from shared.errors import FieldProblem, TemplateDataError, TemplateError, UnknownTemplateError
from shared.templates.problems import data_pointer, template_problems


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("data.items[3].price", "/items/3/price"),
        ("data", ""),
        ("data['a/b'][0]['c~d']", "/a~1b/0/c~0d"),
        ("data.straße", "/straße"),
    ],
)
def test_a_path_has_a_pointer(path: str, pointer: str) -> None:
    assert data_pointer(path) == pointer


def test_faults_point_into_the_message() -> None:
    missing = TemplateError(
        "data.a is missing.", fix="Send it.", file="body.mjml", line=3, path="data.a"
    )
    assert template_problems(missing, at="/template") == [
        FieldProblem("/template/data/a", "body.mjml:3: data.a is missing.", "Send it.")
    ]
    brand = TemplateError("brand.x is missing.", fix="Send it.", path="brand.x")
    assert [p.field for p in template_problems(brand, at="/template")] == ["/template"]
    data = TemplateDataError([FieldProblem("/items/0", "It is missing.", "Send it.")])
    assert [p.field for p in template_problems(data, at="/messages/2/template")] == [
        "/messages/2/template/data/items/0"
    ]
    unknown = UnknownTemplateError("There is no template named x.", fix="Use another.")
    assert [p.field for p in template_problems(unknown, at="/template")] == ["/template/name"]
