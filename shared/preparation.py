"""Makes messages ready to be sent: template, files, invitation, links; then lint and the guard."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from shared.attachments import Attachments
from shared.attachments.attachments import missing_images
from shared.calendar import complete_event
from shared.concurrency import run_bounded
from shared.errors import (
    FieldProblem,
    InvalidMessageError,
    TemplateError,
    UnknownTemplateError,
)
from shared.findings import Finding
from shared.guard.inspection import MAX_FINDINGS, Memory, inspect, refusals
from shared.links import LinkPosting
from shared.lint.linter import Linter
from shared.messages.model import Attachment, Message, TemplateUse
from shared.messages.prepared import Prepared
from shared.settings import Settings
from shared.templates.problems import template_problems
from shared.templates.templates import Rendered, RenderItem, Templates
from shared.unsubscribing import UnsubscribeLinks, with_unsubscribe_footer

_AT_ONCE = 8  # messages of a batch

_NO_SUBJECT = FieldProblem(
    "/subject", "The template has made no subject.", "Give a subject, or mend the template's."
)
_NO_BODY = FieldProblem("/template", "The template has made no content.", "Mend the template.")


class Preparation:
    """The steps from a message as it was posted to one that can be composed."""

    def __init__(
        self,
        settings: Settings,
        *,
        templates: Templates,
        attachments: Attachments,
        links: LinkPosting,
        linter: Linter,
        unsubscribing: UnsubscribeLinks,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._templates = templates
        self._attachments = attachments
        self._links = links
        self._linter = linter
        self._unsubscribing = unsubscribing
        self._clock = clock

    def faults(self, message: Message) -> list[FieldProblem]:
        """What is plainly wrong with it, found at no cost."""
        return self._links.check(message)

    def is_costly(self, message: Message) -> bool:
        """Whether it has a template, or files that are fetched or put aside."""
        return message.template is not None or any(
            file.url is not None or file.deliver == "link" for file in message.attachments
        )

    async def prepare(self, message: Message, message_id: str) -> Prepared:
        """One message. May be repeated: the same id brings the same links and codes."""
        rendered, template = await self.render(message, message_id)
        ready = await self._attachments.prepare(rendered)
        return await self._finish(ready, message_id, template)

    async def render(self, message: Message, message_id: str = "") -> tuple[Message, str]:
        """The message with what its template makes, and the template's name and version; ("" for
        one without). Without an id it has no link to unsubscribe. Raises InvalidMessageError."""
        if message.template is None:
            return message, ""
        [outcome] = await self._render([(message, message_id)], message.template)
        return _filled(message, outcome)

    async def prepare_batch(
        self, messages: Mapping[int, Message], ids: Mapping[int, str], batch_id: str
    ) -> Mapping[int, Prepared | Sequence[FieldProblem]]:
        """Many messages: a template is looked up once, shared files are fetched and read once."""
        outcomes = await self._render_all(messages, ids)
        files = _SharedFiles(self._attachments)
        memory = Memory()

        async def prepare(index: int) -> Prepared | Sequence[FieldProblem]:
            try:
                message, template = messages[index], ""
                if message.template is not None:
                    message, template = _filled(message, outcomes[index])
                attachments = await files.prepare(message.attachments)
                if problems := missing_images(message.html, attachments):
                    return problems
                if attachments is not message.attachments:
                    message = message.model_copy(update={"attachments": attachments})
                return await self._finish(
                    message, ids[index], template, batch_id=batch_id, memory=memory
                )
            except InvalidMessageError as error:
                return error.problems

        ready = await run_bounded(prepare, messages, at_once=_AT_ONCE)
        return dict(zip(messages, ready, strict=True))

    async def _render_all(
        self, messages: Mapping[int, Message], ids: Mapping[int, str]
    ) -> dict[int, Rendered | TemplateError | UnknownTemplateError]:
        """By template and by batch of recipients: one look-up, few requests to the renderer."""
        users: defaultdict[str, list[int]] = defaultdict(list)
        for index, message in messages.items():
            if message.template is not None:
                users[message.template.name].append(index)
        outcomes: dict[int, Rendered | TemplateError | UnknownTemplateError] = {}
        for indices in users.values():
            use = messages[indices[0]].template
            assert use is not None
            made = await self._render([(messages[i], ids[i]) for i in indices], use)
            outcomes |= zip(indices, made, strict=True)
        return outcomes

    async def _render(
        self, messages: Sequence[tuple[Message, str]], use: TemplateUse
    ) -> Sequence[Rendered | TemplateError | UnknownTemplateError]:
        """messages: with their ids."""
        try:
            defaults = await self._templates.defaults(use.name)
            items = [
                RenderItem(own.data, own.language, own.time_zone, {"unsubscribe_url": url})
                for message, message_id in messages
                for own in (message.template or use,)
                for url in (await self._unsubscribe_url(message, message_id, defaults),)
            ]
            return await self._templates.render_many(use.name, items)
        except (UnknownTemplateError, TemplateError) as error:
            return [error] * len(messages)

    async def _unsubscribe_url(
        self, message: Message, message_id: str, defaults: tuple[str, str]
    ) -> str:
        """The link for the one recipient of a message that can be unsubscribed from, else ""."""
        category, topic = defaults
        given = "category" in message.model_fields_set
        listed = message.listed or (category == "bulk" and not given)
        topic = message.topic or topic
        if not (listed and topic and message_id and len(message.recipients) == 1):
            return ""
        return await self._unsubscribing.url(message_id, message.recipients[0].email, topic)

    async def _finish(
        self,
        message: Message,
        message_id: str,
        template: str,
        *,
        batch_id: str = "",
        memory: Memory | None = None,
    ) -> Prepared:
        language = self._settings.language
        if message.event is not None:
            message = complete_event(message, message_id, now=self._clock())
        linked = await self._links.replace(
            message, message_id, shared=batch_id, language=language.partition("-")[0]
        )
        sent = linked.message  # as the reader gets it: delivery adds the footer (marks.py)
        if sent.listed and sent.topic:
            url = await self._unsubscribing.url(message_id, sent.recipients[0].email, sent.topic)
            sent = with_unsubscribe_footer(sent, url, language)
        advice = await self._linter.lint(sent)
        if problems := self._linter.policy.problems(advice):
            raise InvalidMessageError(problems)
        verdict = await asyncio.to_thread(
            inspect, linked.message, policy=self._settings.guard_policy, memory=memory
        )
        if verdict.action == "block":
            raise InvalidMessageError(refusals(verdict))
        companions = {linked.code_id: linked.code} if linked.code is not None else {}
        return Prepared(
            verdict.message,
            _bounded(verdict.findings, advice),
            held=verdict.action == "hold",
            template=template,
            companions=companions,
        )


class _SharedFiles:
    """Files that several messages of a batch have are made ready once."""

    def __init__(self, attachments: Attachments) -> None:
        self._attachments = attachments
        self._ready: dict[tuple[int, ...], asyncio.Task[tuple[Attachment, ...]]] = {}

    async def prepare(self, files: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
        if not files:
            return files
        key = tuple(map(id, files))  # the batch keeps them alive
        if key not in self._ready:
            self._ready[key] = asyncio.create_task(self._attachments.prepare_files(files))
        ready = await self._ready[key]
        return files if ready == files else ready


def _filled(
    message: Message, outcome: Rendered | TemplateError | UnknownTemplateError
) -> tuple[Message, str]:
    """The message with what its template made, and the template's name and version.

    The caller's own subject wins, and so do category and topic that the caller gave.
    Raises InvalidMessageError.
    """
    use = message.template
    assert use is not None
    if isinstance(outcome, TemplateError | UnknownTemplateError):
        raise InvalidMessageError(template_problems(outcome, at="/template"))
    update: dict[str, object] = {
        "template": None,
        "subject": message.subject or outcome.subject,
        "html": outcome.html or None,
        "text": outcome.text or None,
    }
    if outcome.category and "category" not in message.model_fields_set:
        update["category"] = outcome.category
    if outcome.topic and message.topic is None:
        update["topic"] = outcome.topic
    filled = message.model_copy(update=update)
    problems = []
    if not filled.subject:
        problems.append(_NO_SUBJECT)
    if not (filled.text or filled.html):
        problems.append(_NO_BODY)
    if filled.listed:
        problems += _bulk_problems(filled)
    if problems:
        raise InvalidMessageError(problems)
    return filled, f"{use.name}@{outcome.version}"


def _bulk_problems(message: Message) -> list[FieldProblem]:
    """What a message must have that is bulk because its template is."""
    problems = []
    if message.topic is None:
        problems.append(FieldProblem("/topic", "The template is for bulk mail.", "Give the topic."))
    if len(message.recipients) != 1:
        problems.append(
            FieldProblem(
                "/to",
                "The template is for bulk mail, which goes to one recipient a message.",
                "Send a batch with a message for each.",
            )
        )
    return problems


def _bounded(found: Sequence[Finding], advice: Sequence[Finding]) -> tuple[Finding, ...]:
    """What is kept with the message: the guard's findings, then what of lint is worth a warning."""
    warnings = [finding for finding in advice if finding.severity != "info"]
    return (*found, *warnings)[:MAX_FINDINGS]
