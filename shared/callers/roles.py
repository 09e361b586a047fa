"""Which role each route of the API asks for: the one table of it."""

from typing import Literal

type Role = Literal["Mail.Send", "Mail.Admin"]

SEND: Role = "Mail.Send"
ADMIN: Role = "Mail.Admin"  # may do what Mail.Send may, too

# By method and template, as `function_app.py` has them. Mail.Send: to send, to look at what was
# sent, and what one needs to know for it. What touches other people's mail is Mail.Admin's.
ROLES: dict[tuple[str, str], Role] = {
    ("POST", "messages"): SEND,
    ("POST", "messages/batch"): SEND,
    ("GET", "messages/{id}"): SEND,
    ("DELETE", "messages/{id}"): SEND,
    ("POST", "messages/{id}/resolve"): ADMIN,
    ("POST", "messages/replay"): ADMIN,
    ("GET", "held"): ADMIN,
    ("POST", "held/{id}/release"): ADMIN,
    ("POST", "held/{id}/refuse"): ADMIN,
    ("POST", "lint"): SEND,
    ("GET", "templates"): SEND,
    ("GET", "templates/{name}"): SEND,
    ("POST", "templates/{name}/preview"): SEND,
    ("PUT", "templates/{name}"): ADMIN,
    ("DELETE", "templates/{name}"): ADMIN,
    ("POST", "templates/{name}/publish"): ADMIN,
    ("POST", "templates/{name}/rollback"): ADMIN,
    ("GET", "templates/{name}/versions"): ADMIN,
    ("GET", "templates/{name}/diff"): ADMIN,
    ("GET", "digests"): SEND,
    ("GET", "digests/{digest}"): SEND,
    ("POST", "digests/{digest}/items"): SEND,
    ("DELETE", "digests/{digest}/items/{key}"): SEND,
    ("PUT", "digests/{digest}"): ADMIN,
    ("DELETE", "digests/{digest}"): ADMIN,
    ("POST", "digests/{digest}/preview"): ADMIN,
    ("GET", "suppressions"): ADMIN,
    ("GET", "suppressions/export"): ADMIN,
    ("POST", "suppressions/import"): ADMIN,
    ("GET", "suppressions/{address}"): ADMIN,
    ("PUT", "suppressions/{address}"): ADMIN,
    ("DELETE", "suppressions/{address}"): ADMIN,
    ("GET", "topics"): SEND,
    ("GET", "topics/{topic}"): SEND,
    ("PUT", "topics/{topic}"): ADMIN,
    ("DELETE", "topics/{topic}"): ADMIN,
    ("GET", "preferences/{address}"): ADMIN,
    ("PUT", "preferences/{address}"): ADMIN,
    ("DELETE", "addresses/{address}"): ADMIN,
    ("GET", "erasures/{id}"): ADMIN,
    ("GET", "links"): ADMIN,
    ("DELETE", "links/{id}"): ADMIN,
    ("GET", "returned-mail"): ADMIN,
    ("GET", "returned-mail/{id}"): ADMIN,
    ("POST", "delivery-tests"): ADMIN,
    ("GET", "delivery-tests"): ADMIN,
    ("GET", "delivery-tests/{id}"): ADMIN,
    ("GET", "service-changes"): ADMIN,
    ("GET", "quota"): ADMIN,
    ("GET", "doctor"): ADMIN,
    ("GET", "health/dependencies"): ADMIN,
}
