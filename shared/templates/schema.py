"""Data checked against the JSON Schema (2020-12) of its template."""

import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.protocols import Validator
from referencing import Registry

from shared.errors import TemplateError

MAX_PROBLEMS = 20

_FORMATS = FormatChecker(formats=("date", "email", "uuid", "regex"))


def make_validator(schema: Any) -> Validator:
    """Raises TemplateError for a schema that is none."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise TemplateError(
            f"It is no JSON Schema: at {pointer(error.path) or 'the top'}: {error.message[:200]}.",
            fix="Correct it (JSON Schema 2020-12).", file="schema.json",
        ) from None  # fmt: skip
    # An empty registry: nothing is fetched for a $ref.
    return Draft202012Validator(schema, registry=Registry(), format_checker=_FORMATS)


def find_problems(validator: Validator, data: Mapping[str, Any]) -> list[dict[str, str]]:
    """Each fault as pointer (RFC 6901, into the data), detail and fix; no value is repeated."""
    problems: list[dict[str, str]] = []
    for fault in validator.iter_errors(data):
        problems.append(_problem(fault))
        if len(problems) == MAX_PROBLEMS:
            break
    return problems


def pointer(path: Any) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _problem(fault: ValidationError) -> dict[str, str]:
    if fault.validator in {"anyOf", "oneOf"} and fault.context:
        fault = best_match(fault.context) or fault
    given: Any = fault.validator_value
    instance: Any = fault.instance
    wanted = json.dumps(given, ensure_ascii=False)[:200]
    place = pointer(fault.absolute_path)
    match fault.validator:
        case "required":
            names = [name for name in given if name not in dict(instance)]
            first = names[0] if names else ""
            return _told(f"{place}{pointer([first])}", "It is missing.", "Send it.")
        case "additionalProperties":
            schema: Any = fault.schema
            known = ", ".join(schema.get("properties", {}))[:200]
            return _told(place, "It has a member that is not known.", f"Use {known or 'none'}.")
        case "type":
            return _told(place, f"It is not of the type {wanted}.", "Send the other type.")
        case _:
            return _told(place, f"It does not keep to {fault.validator} {wanted}.", "Change it.")


def _told(place: str, detail: str, fix: str) -> dict[str, str]:
    return {"pointer": place, "detail": detail, "fix": fix}
