"""The application object: everything that one process needs, built once, closed at its end."""

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from shared.accounts import Accounts, open_accounts
from shared.accounts.signing import Signing
from shared.api.admission import Admission
from shared.api.answers import Answer, json_answer
from shared.api.batches import BatchApi
from shared.api.delivery_tests import DeliveryTestsApi
from shared.api.digests import DigestsApi
from shared.api.doctor import DoctorApi
from shared.api.erasures import ErasuresApi
from shared.api.files import FilesApi
from shared.api.health import HealthApi
from shared.api.held import HeldApi
from shared.api.links import LinksApi
from shared.api.lint import LintApi
from shared.api.messages import MessagesApi
from shared.api.operations import OperationsApi
from shared.api.pages import PagesApi
from shared.api.quota import QuotaApi
from shared.api.recipients import PreferencesApi
from shared.api.returned import ReturnedMailApi
from shared.api.service_changes import ServiceChangesApi
from shared.api.suppressions import SuppressionsApi
from shared.api.templates import TemplatesApi
from shared.api.topics import TopicsApi
from shared.api.unsubscribing import UnsubscribeApi
from shared.attachments import Attachments, Fetcher
from shared.callers.tokens import TokenCheck
from shared.delivery.delivery import Delivery
from shared.delivery.gate import Gate
from shared.delivery.levels import Levels
from shared.delivery.marks import Marks
from shared.delivery.opening import SessionOpening
from shared.delivery.outbound import Outbound
from shared.delivery.poison import PoisonWatch
from shared.delivery.pool import SessionPool
from shared.delivery.reconcile import Reconciliation
from shared.delivery.refusals import RefusalEvents
from shared.delivery.replay import Replay
from shared.delivery.resolution import Resolution
from shared.delivery.settling import Settling
from shared.delivery_tests.delivery_tests import DeliveryTests
from shared.digests.assembly import Digests
from shared.erasure import Erasures, MessageErasure
from shared.errors import MailroomError
from shared.feedback.assembly import Feedback
from shared.links import LINK_PAGES, LinkPosting, LinkRegister, LinkRetention, LinkVisits
from shared.lint.linter import Linter
from shared.messages.acceptance import Acceptance
from shared.messages.batches import Batches
from shared.messages.cancellation import Cancellation
from shared.messages.contents import Contents
from shared.messages.holding import Holding
from shared.messages.ledger import Ledger
from shared.messages.mailing import Mailing
from shared.messages.outbox import Outbox
from shared.messages.retention import Retention
from shared.messages.timeline import Timeline
from shared.pages import Pages
from shared.preferences import Preferences, Topics
from shared.preparation import Preparation
from shared.quota import Governor, QuotaLimits
from shared.returned.report import Report
from shared.settings import Settings
from shared.storage.connection import StorageConnection
from shared.storage.names import (
    BOUNCE_EVENTS,
    OUTBOUND_MAIL,
    POISON,
    QUOTAS,
    UNSUBSCRIBE_EVENTS,
)
from shared.storage.queues import Queue
from shared.storage.tables import Table
from shared.suppression import SuppressionCheck, Suppressions
from shared.templates.packaged import PackagedTemplates
from shared.templates.store import TemplateStore
from shared.templates.templates import Templates
from shared.unsubscribing import PREFERENCE_PAGES, UnsubscribeLinks
from shared.unsubscribing.limits import VisitLimit
from shared.unsubscribing.page import PreferencePages
from shared.unsubscribing.requests import UnsubscribeRequests

if TYPE_CHECKING:
    from shared.currency.watch import ServiceWatch
    from shared.inbox.arrivals import Arrivals
    from shared.inbox.mail import Intake
    from shared.inbox.reader import ReturnedMailReader
    from shared.inbox.sent_items import SentItems


def utc_now() -> datetime:
    return datetime.now(UTC)


def _parse_report(content: bytes) -> Report:
    """Reads a returned mail; the parser is loaded when there is one."""
    from shared.returned import parse_report  # noqa: PLC0415

    return parse_report(content)


class Application:
    """The parts of Mailroom, joined as the settings say. Belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = utc_now,
        intake: "Intake | None" = None,
    ) -> None:
        # The SDKs log each request with its headers, at the level that apps run at.
        logging.getLogger("azure").setLevel(logging.WARNING)
        self.settings = settings
        self._clock = clock
        self._grace = timedelta(seconds=settings.reconcile_after)
        self._intake = intake
        self.accounts: Accounts = open_accounts(settings, clock=clock)
        self._signing = Signing(self.accounts.vault, settings.signing_key_name, clock=clock)
        self._storage = StorageConnection(settings, self.accounts)
        self._ledger = Ledger(self._storage, content_kept=timedelta(days=settings.content_days))
        self._timeline = Timeline(self._storage)
        self._batches = Batches(self._storage)
        self._contents = Contents(self._storage, size_limit=settings.size_limit)
        self._outbox = Outbox(self._storage, clock=clock)
        self._bounce_queue = Queue(self._storage, BOUNCE_EVENTS)
        self._governor = Governor(
            Table(self._storage, QUOTAS),
            QuotaLimits.of(settings),
            holder=secrets.token_hex(8),
            clock=clock,
        )
        self._holding = Holding(
            settings, ledger=self._ledger, contents=self._contents, outbox=self._outbox,
            places=self._governor, clock=clock,
        )  # fmt: skip
        self._opening = SessionOpening(settings, self.accounts)
        self.pool = SessionPool(
            self._opening.open,
            self._opening.sign_in,
            permits=self._governor,
            size=settings.sessions_per_mailbox,
            clock=clock,
        )
        self._suppressions = Suppressions(self._storage)
        self._topics = Topics(self._storage, clock=clock)
        self.preferences = Preferences(self._suppressions, self._topics, clock=clock)
        self.erasure = Erasures(
            self._storage, ledger=self._ledger, suppressions=self._suppressions, clock=clock,
            messages=MessageErasure(
                ledger=self._ledger, contents=self._contents, timeline=self._timeline
            ),
        )  # fmt: skip
        self._check = SuppressionCheck(
            self._suppressions, exempt_topics=settings.complaint_exempt_topics,
            topics=self._topics, clock=clock,
        )  # fmt: skip
        self.template_store = TemplateStore(
            self._storage, packaged=PackagedTemplates(), clock=clock
        )
        self.rendering = Templates(settings, versions=self.template_store)
        self._linter = Linter(settings, clock=clock)
        self._build_links()
        self.unsubscribe_links = UnsubscribeLinks(settings, self._signing)
        self.preparation = Preparation(
            settings, templates=self.rendering, attachments=self.attachments,
            links=self.link_posting, linter=self._linter,
            unsubscribing=self.unsubscribe_links, clock=clock,
        )  # fmt: skip
        acceptance = Acceptance(
            settings, ledger=self._ledger, contents=self._contents, outbox=self._outbox,
            places=self._governor, suppressions=self._check, preparation=self.preparation,
            clock=clock,
        )  # fmt: skip
        self.feedback = Feedback(
            settings, self._storage, ledger=self._ledger, timeline=self._timeline,
            suppressions=self._suppressions, preferences=self.preferences,
            signing=self._signing, parse=_parse_report,
        )  # fmt: skip
        self._build_delivery(acceptance)
        self._build_digests(acceptance)
        self._build_delivery_tests(acceptance)
        self._build_api(acceptance)
        self._build_unsubscribing()
        self._build_housekeeping(acceptance)

    def _build_delivery(self, acceptance: Acceptance) -> None:
        """What the queues `outbound-mail…` and the timer `reconcile` call."""
        self.delivery = delivery = Delivery(
            self.settings, ledger=self._ledger, contents=self._contents, outbox=self._outbox,
            pool=self.pool, gate=Gate(self._governor, clock=self._clock),
            mailboxes=self._governor, clock=self._clock,
            refusals=RefusalEvents(self._bounce_queue, clock=self._clock),
            marks=Marks(
                self._signing, self.unsubscribe_links, language=self.settings.language
            ),
            suppressions=self._check,
        )  # fmt: skip
        self.outbound = Outbound(
            acceptance=acceptance, contents=self._contents, delivery=delivery,
            outbox=self._outbox, poison=Queue(self._storage, OUTBOUND_MAIL + POISON),
        )  # fmt: skip
        self._resolution = Resolution(
            ledger=self._ledger, timeline=self._timeline, enqueue=self._outbox.enqueue,
            grace=self._grace, clock=self._clock,
        )  # fmt: skip
        settling = Settling(
            self.settings, ledger=self._ledger, resolution=self._resolution,
            sent_items=lambda: self.sent_items, clock=self._clock,
        )  # fmt: skip
        self.reconciliation = Reconciliation(
            self.settings, ledger=self._ledger, delivery=delivery, outbox=self._outbox,
            settling=settling, clock=self._clock,
        )  # fmt: skip

        self._levels = Levels(
            self.settings.mailboxes, queues=(self._outbox.ordinary, self._outbox.high),
            ledger=self._ledger, headroom=self._governor, clock=self._clock,
        )  # fmt: skip

    def _build_api(self, acceptance: Acceptance) -> None:
        """What the HTTP routes call."""
        self.admission = Admission(TokenCheck(self.settings))
        body_limit = 2 * self.settings.size_limit
        self.messages = MessagesApi(
            acceptance=acceptance, ledger=self._ledger, timeline=self._timeline,
            body_limit=body_limit,
        )  # fmt: skip
        mailing = Mailing(
            self.settings, acceptance=acceptance, preparation=self.preparation,
            batches=self._batches, contents=self._contents, clock=self._clock,
        )  # fmt: skip
        self.batches = BatchApi(mailing=mailing, body_limit=body_limit)
        self.lint = LintApi(self._linter, preparation=self.preparation, body_limit=body_limit)
        self.pages = PagesApi()
        self.operations = OperationsApi(
            cancellation=Cancellation(
                ledger=self._ledger, timeline=self._timeline, clock=self._clock
            ),
            resolution=self._resolution,
            replay=Replay(
                ledger=self._ledger, contents=self._contents, timeline=self._timeline,
                acceptance=acceptance, enqueue=self._outbox.enqueue, grace=self._grace,
                clock=self._clock,
            ),
            timeline=self._timeline,
        )  # fmt: skip
        self.kept_mail = ReturnedMailApi(self.feedback.kept)
        self.templates = TemplatesApi(
            store=self.template_store, templates=self.rendering,
            sender=self.settings.mailboxes[0], lint=self.lint.find,
        )  # fmt: skip
        self.held = HeldApi(holding=self._holding, timeline=self._timeline)
        self.suppressions = SuppressionsApi(self._suppressions, clock=self._clock)
        self.topics = TopicsApi(self._topics)
        self.recipients = PreferencesApi(self.preferences, clock=self._clock)
        self.erasures = ErasuresApi(self.erasure)
        self.quota = QuotaApi(self._governor, self.settings.mailboxes)
        self.doctor = DoctorApi(self.settings, clock=self._clock)
        self.health = HealthApi(
            {
                "tables": self._ledger.ping,
                "queues": self._probe_queue,
                "blobs": self._contents.ping,
                "token": self._probe_token,
                "submission": self._probe_submission,
            }
        )

    def _build_digests(self, acceptance: Acceptance) -> None:
        """What gathers items, and sends each recipient one mail."""
        self.digests = Digests(
            self.settings, self._storage, acceptance=acceptance, outbox=self._outbox,
            rendering=self.preparation, wishes=self.preferences,
            links=self.unsubscribe_links, clock=self._clock,
        )  # fmt: skip
        self.digests_api = DigestsApi(
            definitions=self.digests.definitions, windows=self.digests.windows,
            intake=self.digests.intake, sending=self.digests.sending,
            previews=self.digests.previews, check=acceptance.check,
            find_template=self.template_store.find,
        )  # fmt: skip

    def _build_delivery_tests(self, acceptance: Acceptance) -> None:
        """What sends probes, and looks for them."""
        self.delivery_tests = DeliveryTests(
            self.settings, self._storage, acceptance=acceptance, ledger=self._ledger,
            compose=self.delivery.compose, arrivals=lambda: self.arrivals, clock=self._clock,
        )  # fmt: skip
        self.delivery_tests_api = DeliveryTestsApi(self.delivery_tests)

    def _build_links(self) -> None:
        """What makes files ready, and secure links: made, opened by recipients, seen to."""
        self.attachments = Attachments(
            Fetcher(self.settings.attachment_hosts), size_limit=self.settings.size_limit
        )
        register = LinkRegister(self._storage, kept=timedelta(days=self.settings.content_days))
        visits = LinkVisits(
            storage=self._storage, register=register, timeline=self._timeline,
            signing=self._signing, clock=self._clock,
        )  # fmt: skip
        self.link_posting = LinkPosting(
            self.settings, storage=self._storage, register=register, timeline=self._timeline,
            signing=self._signing, clock=self._clock,
        )  # fmt: skip
        self.files = FilesApi(visits, Pages(self.settings, LINK_PAGES))
        self.links = LinksApi(register=register, visits=visits, clock=self._clock)
        self._link_retention = LinkRetention(
            storage=self._storage, register=register, clock=self._clock
        )

    def _build_unsubscribing(self) -> None:
        """What the links to unsubscribe lead to."""
        self._visit_limit = VisitLimit(self._storage, clock=self._clock)
        requests = UnsubscribeRequests(
            seals=self._signing, preferences=self.preferences, topics=self._topics,
            records=self._ledger, events=Queue(self._storage, UNSUBSCRIBE_EVENTS),
            limit=self._visit_limit, clock=self._clock,
        )  # fmt: skip
        self.unsubscribing = UnsubscribeApi(
            requests, PreferencePages(Pages(self.settings, PREFERENCE_PAGES)),
            language=self.settings.language, clock=self._clock,
        )  # fmt: skip

    def _build_housekeeping(self, acceptance: Acceptance) -> None:
        """What the other queues and timers call."""
        self.poison = PoisonWatch(
            acceptance=acceptance, ledger=self._ledger, contents=self._contents,
            timeline=self._timeline, outbox=self._outbox, grace=self._grace, clock=self._clock,
        )  # fmt: skip
        self.retention = Retention(
            self.settings, ledger=self._ledger, contents=self._contents, timeline=self._timeline,
            batches=self._batches, holding=self._holding,
            others=(
                self.feedback.delete_expired, self._visit_limit.forget,
                self.digests.delete_expired, self.delivery_tests.delete_expired,
            ),
            clock=self._clock,
        )  # fmt: skip

    @cached_property
    def returned_mail(self) -> "ReturnedMailReader":
        """What reads the mailboxes; its modules are loaded when the timer first asks for it."""
        from shared.inbox.opening import open_reader  # noqa: PLC0415

        return open_reader(
            self.settings, self.accounts.tokens, self._storage,
            intake=self._intake or self.feedback.intake, parking=self.feedback.kept,
            clock=self._clock,
        )  # fmt: skip

    @cached_property
    def service_watch(self) -> "ServiceWatch":
        """What looks at the submission service once a day."""
        from shared.currency.watch import ServiceWatch  # noqa: PLC0415

        return ServiceWatch(self.settings, self._storage, self._opening, clock=self._clock)

    @cached_property
    def service_changes(self) -> ServiceChangesApi:
        return ServiceChangesApi(self.service_watch)

    @cached_property
    def sent_items(self) -> "SentItems":
        """Where copies of unknown messages are looked for."""
        from shared.inbox.opening import open_sent_items  # noqa: PLC0415

        return open_sent_items(self.settings, self.accounts.tokens, clock=self._clock)

    async def reconcile(self) -> None:
        """What the timer calls each minute."""
        await self.reconciliation.run()
        await self._levels.run()

    @cached_property
    def arrivals(self) -> "Arrivals":
        """Where delivery tests are looked for."""
        from shared.inbox.opening import open_arrivals  # noqa: PLC0415

        return open_arrivals(self.settings, self.accounts.tokens, clock=self._clock)

    async def read_returned_mail(self) -> None:
        """What the timer calls: returned mail if the settings say how, and the delivery tests that
        are open. They need the same tokens, and a timer of their own would be paid for alone."""
        try:
            if self.settings.returned_mail != "off":
                await self.returned_mail.run()
        finally:
            await self.delivery_tests.run()

    async def delete_expired(self) -> None:
        """The timer's work: what need not be kept any more goes."""
        await self.retention.run()
        await self._link_retention.run()

    async def openapi(self) -> Answer:
        """The API's description; its modules are loaded when somebody asks for it."""
        from shared.api.openapi import describe_api  # noqa: PLC0415

        return json_answer(200, describe_api())

    async def _probe_queue(self) -> None:
        await self._outbox.ordinary.depth()

    async def _probe_token(self) -> None:
        await self._opening.sign_in(self.settings.mailboxes[0], None)

    async def _probe_submission(self) -> None:
        async with self.pool.session(self.settings.mailboxes[0]) as session:
            if not await session.check():
                raise MailroomError("The submission server ended the session.")

    async def aclose(self) -> None:
        """Closes what was opened: the sessions first, then what they held."""
        await self.pool.aclose()
        await self.rendering.aclose()
        await self._governor.aclose()
        await self._storage.aclose()
        await self.accounts.aclose()
