"""Mailroom's triggers: the table of contents. What they do is in `shared/`."""

from functools import wraps
from typing import TYPE_CHECKING

import azure.functions as func

from shared.callers.roles import ROLES
from shared.settings import api_auth

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.api.answers import Answer
    from shared.application import Application

    type Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

_application: "Application | None" = None
_ADMITTED = 204


def mailroom() -> "Application":
    """The process's application object, built by the first call that needs it."""
    global _application  # noqa: PLW0603 (the one explicit global: an app has no start-up hook)
    if _application is None:
        from shared.application import Application
        from shared.settings import load_settings

        _application = Application(load_settings())
    return _application


async def respond(handle: "Callable[[Application], Awaitable[Answer]]") -> func.HttpResponse:
    """The application's answer as a response; settings that cannot be used are a problem too."""
    from shared.api.answers import answer

    answered = await answer(lambda: handle(mailroom()))
    return func.HttpResponse(
        answered.body,
        status_code=answered.status,
        mimetype=answered.content_type,
        headers=dict(answered.headers),
    )


def route(method: str, template: str) -> "Callable[[Handler], object]":
    """A route for callers: with a function key or, by MAILROOM_API_AUTH=entra, a token alone."""
    role = ROLES[method, template]

    def register(handler: "Handler") -> object:
        if api_auth() != "entra":
            return app.route(template, methods=[method])(handler)

        @wraps(handler)
        async def admitted(req: func.HttpRequest) -> func.HttpResponse:
            token = req.headers.get("authorization")
            answered = await respond(lambda m: m.admission.admit(token, role))
            return await handler(req) if answered.status_code == _ADMITTED else answered

        open_route = app.route(template, methods=[method], auth_level=func.AuthLevel.ANONYMOUS)
        return open_route(admitted)

    return register


@route("POST", "messages")
async def post_message(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.messages.post(req.get_body(), req.headers, req.url))


@route("GET", "messages/{id}")
async def get_message(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.messages.get(req.route_params["id"]))


@route("DELETE", "messages/{id}")
async def cancel_message(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.operations.cancel(req.route_params["id"]))


@route("POST", "messages/batch")
async def post_batch(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.batches.post(req.get_body(), req.headers, req.url))


@route("POST", "messages/{id}/resolve")
async def resolve_message(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.operations.resolve(req.route_params["id"], req.get_body(), req.headers)
    )


@route("POST", "messages/replay")
async def replay_messages(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.operations.replay(req.get_body(), req.headers))


@route("GET", "held")
async def list_held(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.held.get(req.params))


@route("POST", "held/{id}/release")
async def release_message(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.held.release(req.route_params["id"], req.get_body(), req.headers)
    )


@route("POST", "held/{id}/refuse")
async def refuse_message(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.held.refuse(req.route_params["id"], req.get_body(), req.headers)
    )


@route("GET", "templates")
async def list_templates(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.templates.get_page(req.url))


@route("PUT", "templates/{name}")
async def put_template(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.templates.put(req.route_params["name"], req.get_body(), req.headers)
    )


@route("GET", "templates/{name}")
async def get_template(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.templates.get(req.route_params["name"], req.url))


@route("DELETE", "templates/{name}")
async def delete_template(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.templates.delete(req.route_params["name"], req.headers))


@route("POST", "templates/{name}/publish")
async def publish_template(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.templates.publish(req.route_params["name"], req.get_body(), req.headers)
    )


@route("POST", "templates/{name}/rollback")
async def roll_back_template(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.templates.roll_back(req.route_params["name"], req.get_body(), req.headers)
    )


@route("GET", "templates/{name}/versions")
async def list_template_versions(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.templates.versions(req.route_params["name"], req.url))


@route("GET", "templates/{name}/diff")
async def diff_template(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.templates.diff(req.route_params["name"], req.url))


@route("POST", "templates/{name}/preview")
async def preview_template(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.templates.preview(req.route_params["name"], req.get_body(), req.headers)
    )


@route("POST", "lint")
async def post_lint(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.lint.post(req.get_body(), req.headers))


@route("GET", "digests")
async def list_digests(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.digests_api.list(req.params))


@route("PUT", "digests/{digest}")
async def put_digest(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.digests_api.put(req.route_params["digest"], req.get_body(), req.headers)
    )


@route("GET", "digests/{digest}")
async def get_digest(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.digests_api.get(req.route_params["digest"]))


@route("DELETE", "digests/{digest}")
async def delete_digest(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.digests_api.delete(req.route_params["digest"], req.params))


@route("POST", "digests/{digest}/items")
async def post_digest_items(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.digests_api.post_items(req.route_params["digest"], req.get_body(), req.headers)
    )


@route("DELETE", "digests/{digest}/items/{key}")
async def delete_digest_items(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.digests_api.delete_items(
            req.route_params["digest"], req.route_params["key"], req.params
        )
    )


@route("POST", "digests/{digest}/preview")
async def preview_digest(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.digests_api.preview(req.route_params["digest"], req.params))


@route("GET", "suppressions")
async def list_suppressions(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.suppressions.list(req.params))


@route("GET", "suppressions/export")
async def export_suppressions(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.suppressions.export(req.params))


@route("POST", "suppressions/import")
async def import_suppressions(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.suppressions.take(req.get_body(), req.headers))


@route("GET", "suppressions/{address}")
async def get_suppression(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.suppressions.get(req.route_params["address"]))


@route("PUT", "suppressions/{address}")
async def put_suppression(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.suppressions.put(req.route_params["address"], req.get_body(), req.headers)
    )


@route("DELETE", "suppressions/{address}")
async def delete_suppression(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.suppressions.delete(req.route_params["address"], req.params))


@route("GET", "topics")
async def list_topics(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return await respond(lambda m: m.topics.list())


@route("GET", "topics/{topic}")
async def get_topic(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.topics.get(req.route_params["topic"]))


@route("PUT", "topics/{topic}")
async def put_topic(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.topics.put(req.route_params["topic"], req.get_body(), req.headers)
    )


@route("DELETE", "topics/{topic}")
async def delete_topic(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.topics.delete(req.route_params["topic"]))


@route("GET", "preferences/{address}")
async def get_preferences(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.recipients.get(req.route_params["address"]))


@route("PUT", "preferences/{address}")
async def put_preferences(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.recipients.put(req.route_params["address"], req.get_body(), req.headers)
    )


@route("DELETE", "addresses/{address}")
async def erase_address(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.erasures.delete(req.route_params["address"], req.params))


@route("GET", "erasures/{id}")
async def get_erasure(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.erasures.get(req.route_params["id"]))


@app.route(
    "unsubscribe/{token}", methods=["GET", "HEAD", "POST"], auth_level=func.AuthLevel.ANONYMOUS
)
async def unsubscribe(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.unsubscribing.serve(
            req.method, req.route_params["token"], req.get_body(), req.headers
        )
    )


@app.route("files/{token}", methods=["GET", "HEAD", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def serve_file(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(
        lambda m: m.files.serve(req.method, req.route_params["token"], req.get_body(), req.headers)
    )


@route("GET", "links")
async def list_links(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.links.list(req.params))


@route("DELETE", "links/{id}")
async def revoke_link(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.links.revoke(req.route_params["id"]))


@route("GET", "returned-mail")
async def list_returned_mail(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.kept_mail.list(req.params, req.url))


@route("GET", "returned-mail/{id}")
async def get_returned_mail(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.kept_mail.get(req.route_params["id"]))


@app.route("pages/{name}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_page(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.pages.get(req.route_params["name"]))


@route("POST", "delivery-tests")
async def post_delivery_test(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.delivery_tests_api.post(req.get_body(), req.headers, req.url))


@route("GET", "delivery-tests")
async def list_delivery_tests(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.delivery_tests_api.list(req.params))


@route("GET", "delivery-tests/{id}")
async def get_delivery_test(req: func.HttpRequest) -> func.HttpResponse:
    return await respond(lambda m: m.delivery_tests_api.get(req.route_params["id"]))


@route("GET", "quota")
async def get_quota(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return await respond(lambda m: m.quota.get())


@route("GET", "service-changes")
async def list_service_changes(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return await respond(lambda m: m.service_changes.get())


@route("GET", "doctor")
async def get_doctor(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return await respond(lambda m: m.doctor.get())


@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return await respond(lambda m: m.health.alive())


@route("GET", "health/dependencies")
async def get_dependencies(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return await respond(lambda m: m.health.dependencies())


@app.route("openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_openapi(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return await respond(lambda m: m.openapi())


@app.queue_trigger("msg", queue_name="outbound-mail", connection="AzureWebJobsStorage")
async def deliver_outbound_mail(msg: func.QueueMessage) -> None:
    await mailroom().outbound.handle(msg.get_body(), queue_id=msg.id or "")


@app.queue_trigger("msg", queue_name="outbound-mail-high", connection="AzureWebJobsStorage")
async def deliver_high_priority_mail(msg: func.QueueMessage) -> None:
    await mailroom().outbound.handle(msg.get_body(), queue_id=msg.id or "")


@app.queue_trigger("msg", queue_name="outbound-mail-poison", connection="AzureWebJobsStorage")
async def end_poisoned_mail(msg: func.QueueMessage) -> None:
    await mailroom().poison.handle(msg.get_body(), queue="outbound-mail", queue_id=msg.id or "")


@app.queue_trigger("msg", queue_name="outbound-mail-high-poison", connection="AzureWebJobsStorage")
async def end_poisoned_high_mail(msg: func.QueueMessage) -> None:
    await mailroom().poison.handle(
        msg.get_body(), queue="outbound-mail-high", queue_id=msg.id or ""
    )


@app.queue_trigger("msg", queue_name="bounce-events", connection="AzureWebJobsStorage")
async def handle_bounce(msg: func.QueueMessage) -> None:
    await mailroom().feedback.bounces.handle(msg.get_body())


@app.queue_trigger("msg", queue_name="complaint-events", connection="AzureWebJobsStorage")
async def handle_complaint(msg: func.QueueMessage) -> None:
    await mailroom().feedback.complaints.handle(msg.get_body())


@app.queue_trigger("msg", queue_name="unsubscribe-events", connection="AzureWebJobsStorage")
async def handle_unsubscribe(msg: func.QueueMessage) -> None:
    await mailroom().feedback.unsubscribes.handle(msg.get_body())


@app.queue_trigger("msg", queue_name="delivery-events", connection="AzureWebJobsStorage")
async def handle_delivery(msg: func.QueueMessage) -> None:
    await mailroom().feedback.deliveries.handle(msg.get_body())


@app.queue_trigger("msg", queue_name="digest-items", connection="AzureWebJobsStorage")
async def take_digest_items(msg: func.QueueMessage) -> None:
    await mailroom().digests.take(msg.get_body(), queue_id=msg.id or "")


@app.timer_trigger("timer", schedule="0 * * * * *")
async def reconcile(timer: func.TimerRequest) -> None:  # noqa: ARG001
    await mailroom().reconcile()


@app.timer_trigger("timer", schedule="20 * * * * *")
async def read_returned_mail(timer: func.TimerRequest) -> None:  # noqa: ARG001
    await mailroom().read_returned_mail()


@app.timer_trigger("timer", schedule="0 */20 2-4 * * *")
async def delete_expired(timer: func.TimerRequest) -> None:  # noqa: ARG001
    await mailroom().delete_expired()


@app.timer_trigger("timer", schedule="40 */5 * * * *")
async def erase_addresses(timer: func.TimerRequest) -> None:  # noqa: ARG001
    await mailroom().erasure.run()


@app.timer_trigger("timer", schedule="5 * * * * *")
async def send_due_digests(timer: func.TimerRequest) -> None:  # noqa: ARG001
    await mailroom().digests.sending.run()


@app.timer_trigger("timer", schedule="0 35 5 * * *")
async def watch_service(timer: func.TimerRequest) -> None:  # noqa: ARG001
    await mailroom().service_watch.run()


@app.timer_trigger("timer", schedule="0 10 6 * * *")
async def begin_daily_delivery_tests(timer: func.TimerRequest) -> None:  # noqa: ARG001
    await mailroom().delivery_tests.run_daily()
