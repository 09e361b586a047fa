"""`/api/lint`: what readers and filters may have against a message, before it is sent."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.api.answers import Answer, answer, json_answer
from shared.api.requests import check_headers
from shared.errors import InvalidMessageError
from shared.findings import Finding
from shared.lint import LintPolicy
from shared.lint.linter import Linter
from shared.messages.fields import Line
from shared.messages.model import Address, Message, Text
from shared.messages.parsing import list_problems, parse_message


class Draft(BaseModel):
    """The content of a mail that nobody sends yet. Anything may be missing: lint says so."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    subject: Annotated[str, Field(max_length=500), Line] = ""
    html: Text | None = Field(default=None, repr=False)
    text: Text | None = Field(default=None, repr=False)
    category: Literal["transactional", "bulk"] = "transactional"

    def message(self) -> Message:
        """The same as a message between stand-ins, with which no rule has a quarrel."""
        return Message.model_construct(
            sender=Address(email="sender@mailroom.test"),
            to=(Address(email="reader@mailroom.test"),),
            subject=self.subject, html=self.html, text=self.text, category=self.category,
        )  # fmt: skip


class FindingView(BaseModel):
    """One finding: where, why it matters, and what to do."""

    model_config = ConfigDict(frozen=True)

    rule: str = Field(description="Its name in docs/lint.md.")
    severity: Literal["error", "warning", "info"]
    action: Literal["warn", "block"] = Field(description="What the policy has for the rule.")
    where: str = Field(examples=['html, line 12: <img src="https://cdn.contoso.com/…">'])
    why: str
    fix: str


class LintCounts(BaseModel):
    """Findings by severity."""

    model_config = ConfigDict(frozen=True)

    error: int
    warning: int
    info: int


class LintView(BaseModel):
    """The answer: the findings, errors first, and what would become of the message."""

    model_config = ConfigDict(frozen=True)

    verdict: Literal["pass", "warn", "block"] = Field(
        description="By the policy that holds (MAILROOM_LINT): block, it would be refused; warn, "
        "it would be sent, with the findings on its timeline; pass, there is none."
    )
    counts: LintCounts
    findings: list[FindingView]


class RendersMessages(Protocol):
    """Who fills in templates (`shared.preparation`)."""

    async def render(self, message: Message) -> tuple[Message, str]: ...


class LintApi:
    """Lints what is posted. Header names are expected in lower case."""

    def __init__(self, linter: Linter, *, preparation: RendersMessages, body_limit: int) -> None:
        self._linter = linter
        self._preparation = preparation
        self._body_limit = body_limit

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """200 with the findings, or a problem where the body is neither message nor draft."""
        return await answer(lambda: self._post(body, headers))

    async def find(self, message: Message) -> list[dict[str, Any]]:
        """The findings of a message as the API shows them."""
        found = await self._linter.lint(message)
        findings: list[dict[str, Any]] = view_findings(found, self._linter.policy)["findings"]
        return findings

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        check_headers(headers, len(body), self._body_limit)
        message, _ = await self._preparation.render(read_lint_request(body))
        found = await self._linter.lint(message)
        return json_answer(200, view_findings(found, self._linter.policy))


def read_lint_request(body: bytes) -> Message:
    """A message, or a draft where nobody is named. Raises InvalidMessageError."""
    try:
        draft = Draft.model_validate_json(body)
    except ValidationError as error:
        kinds = {fault["type"] for fault in error.errors(include_url=False, include_input=False)}
        if "extra_forbidden" not in kinds:
            status = 400 if "json_invalid" in kinds else 422
            raise InvalidMessageError(list_problems(error), status=status) from None
    else:
        return draft.message()
    return parse_message(body)


def view_findings(found: list[Finding], policy: LintPolicy) -> dict[str, Any]:
    """The findings as the API and pages show them."""
    severities = [finding.severity for finding in found]
    view = LintView(
        verdict=policy.verdict(found),
        counts=LintCounts(
            error=severities.count("error"),
            warning=severities.count("warning"),
            info=severities.count("info"),
        ),
        findings=[
            FindingView(
                rule=finding.rule,
                severity=finding.severity,
                action="block" if policy.action(finding.rule) == "block" else "warn",
                where=finding.where,
                why=finding.why,
                fix=finding.fix,
            )
            for finding in found
        ],
    )
    return view.model_dump()
