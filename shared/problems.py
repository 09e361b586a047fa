"""Problem details (RFC 9457): every refusal of the HTTP API, as one JSON object."""

from collections.abc import Sequence
from typing import Any

from shared.errors import FieldProblem

CONTENT_TYPE = "application/problem+json"

_TITLES = {
    400: "The request cannot be read",
    401: "A key or token is needed",
    403: "Not allowed",
    404: "Not found",
    409: "In conflict with what is there",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Not JSON",
    422: "The message is refused",
    500: "Mailroom failed",
    503: "Not available for now",
}


def problem(
    status: int,
    kind: str,
    detail: str,
    *,
    fix: str = "",
    errors: Sequence[FieldProblem] = (),
) -> dict[str, Any]:
    """A problem document. `kind` names the problem in its type URI; `fix` and `errors` (each with
    a JSON pointer, RFC 6901) are extension members, left out when empty."""
    document: dict[str, Any] = {
        "type": f"urn:mailroom:problem:{kind}",
        "title": _TITLES.get(status, "Refused"),
        "status": status,
        "detail": detail,
    }
    if fix:
        document["fix"] = fix
    if errors:
        document["errors"] = [
            {"pointer": error.field, "detail": error.detail, "fix": error.fix} for error in errors
        ]
    return document
