"""One side of the benchmark of content, in a process of its own: measures, prints JSON."""

import asyncio
import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

FILE = random.Random(7).randbytes(1024 * 1024)
RECIPIENTS = 500
_HELLO = "Dear {{ name }}, these are the items of your order {{ number }}."
_ROW = (
    '<tr><td style="padding:6px 0">{{ item.name }}</td><td align="right">{{ item.count }}</td>'
    '<td align="right">{{ item.price }}</td></tr>'
)
BODY = f"""<mjml>
  <mj-head>
    <mj-title>Order</mj-title>
    <mj-attributes><mj-all font-family="Arial, sans-serif" /></mj-attributes>
    <mj-style>.note {{ color: #555555; font-size: 14px }} a:hover {{ color: #0b5cad }}
    @media (prefers-color-scheme: dark) {{ .note {{ color: #dddddd !important }} }}</mj-style>
  </mj-head>
  <mj-body background-color="#f4f4f4">
    <mj-section background-color="#ffffff"><mj-column>
      <mj-image src="https://contoso.test/logo.png" alt="Contoso" width="120px" />
      <mj-text font-size="22px">Your order</mj-text>
      <mj-text>{_HELLO}</mj-text>
      <mj-table><tr><th align="left">Item</th><th align="right">Pieces</th>
        <th align="right">Price</th></tr>{{% for item in items %}}{_ROW}{{% endfor %}}</mj-table>
      <mj-button href="{{{{ url }}}}">See your order</mj-button>
      <mj-divider border-color="#dddddd" />
      <mj-text css-class="note">Questions? <a href="https://contoso.test/help">Write to us</a>.
      </mj-text>
    </mj-column></mj-section>
    <mj-section><mj-column><mj-text font-size="12px">Contoso, 1 Way, Town</mj-text></mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""
SCHEMA = {
    "type": "object", "required": ["name", "number", "items", "url"],
    "properties": {
        "name": {"type": "string"}, "number": {"type": "integer"}, "url": {"type": "string"},
        "items": {"type": "array", "items": {
            "type": "object", "required": ["name", "count", "price"],
            "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
        }},
    },
}  # fmt: skip


def data_of(number: int) -> dict[str, Any]:
    items = [
        {"name": f"Item {n} & more", "count": n + 1, "price": f"{n * 3 + number % 9}.50 €"}
        for n in range(20)
    ]
    return {
        "name": f"Ana {number}", "number": number, "items": items,
        "url": f"https://contoso.test/orders/{number}",
    }  # fmt: skip


class Mailroom:
    """Templates and composing as the app uses them."""

    def __init__(self) -> None:
        from shared.settings import load_settings
        from shared.templates.bundle import Bundle
        from shared.templates.templates import Templates

        settings = load_settings(
            {
                "MAILROOM_SENDERS": '["billing@contoso.test"]', "MAILROOM_TENANT_ID": "x",
                "MAILROOM_CLIENT_ID": "x", "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            }
        )  # fmt: skip
        self._bundle = Bundle
        self.templates = Templates(settings, versions=self)

    def bundle(self, name: str) -> Any:
        definition = {"languages": ["en"], "subject": {"en": "Order {{ number }}"}}
        return self._bundle(
            {
                "template.json": json.dumps(definition), "schema.json": json.dumps(SCHEMA),
                "sample.json": json.dumps(data_of(1)), "body.mjml": f"{BODY}<!-- {name} -->",
            }
        )  # fmt: skip

    async def find(self, name: str, version: str = "") -> tuple[str, Any]:
        return version or "1", self.bundle(name)


async def rate(mailroom: Mailroom, names: list[str]) -> float:
    started = time.perf_counter()
    for number, name in enumerate(names):
        await mailroom.templates.render(name, data_of(number))
    return len(names) / (time.perf_counter() - started)


async def measure_mailroom() -> dict[str, float]:
    from shared.templates.templates import RenderItem

    mailroom = Mailroom()
    await mailroom.templates.render("warm", data_of(0))
    first = await rate(mailroom, [f"t{n}" for n in range(50)])
    again = await rate(mailroom, ["warm"] * 500)
    items = [RenderItem(data_of(n)) for n in range(RECIPIENTS)]
    started = time.perf_counter()
    outcomes = await mailroom.templates.render_many("warm", items)
    many = len(outcomes) / (time.perf_counter() - started)
    await mailroom.templates.aclose()
    return {"first": first, "again": again, "many": many}


def straightforward(*, premailer: bool) -> Callable[[dict[str, Any], str], tuple[str, str]]:
    """HTML and text of a mail, everything made anew."""
    import css_inline
    import mrml
    from inscriptis import get_text
    from inscriptis.model.config import ParserConfig
    from jinja2 import Environment
    from premailer import Premailer

    links = ParserConfig(display_links=True)
    environment = Environment(autoescape=True)

    def render(data: dict[str, Any], source: str) -> tuple[str, str]:
        html = mrml.to_html(environment.from_string(source).render(data)).content
        if premailer:
            html = Premailer(
                html, cssutils_logging_level=50, disable_validation=True, keep_style_tags=True
            ).transform()
        else:
            html = css_inline.inline(html, keep_style_tags=True, keep_at_rules=True)
        return html, get_text(html, links)

    return render


def measure_straightforward(*, premailer: bool) -> dict[str, float]:
    render = straightforward(premailer=premailer)
    render(data_of(0), BODY)

    def rated(sources: list[str]) -> float:
        started = time.perf_counter()
        for number, source in enumerate(sources):
            render(data_of(number), source)
        return len(sources) / (time.perf_counter() - started)

    first = rated([f"{BODY}<!-- {n} -->" for n in range(50)])
    again = rated([BODY] * 100)
    return {"first": first, "again": again, "many": again}


async def batch_mailroom() -> int:
    from shared.composing import PartsCache, compose
    from shared.messages.model import Address, Attachment, Message
    from shared.templates.templates import Rendered, RenderItem

    mailroom = Mailroom()
    file = Attachment(name="terms.pdf", content_type="application/pdf", content=FILE)
    parts = PartsCache()
    made = 0
    items = [RenderItem(data_of(n)) for n in range(RECIPIENTS)]
    for number, rendered in enumerate(await mailroom.templates.render_many("batch", items)):
        assert isinstance(rendered, Rendered)
        message = Message(
            sender=Address(email="billing@contoso.test"), to=(Address(email="ana@example.com"),),
            subject=rendered.subject, html=rendered.html, text=rendered.text, attachments=(file,),
        )  # fmt: skip
        mail = compose(
            message, message_id=f"<{number}@contoso.test>", date=datetime.now(UTC), parts=parts
        )
        made += mail.size
    await mailroom.templates.aclose()
    return made


def batch_straightforward() -> int:
    render = straightforward(premailer=True)
    made = 0
    for number in range(RECIPIENTS):
        html, text = render(data_of(number), BODY)
        mail = EmailMessage()
        mail["From"], mail["To"] = "billing@contoso.test", "ana@example.com"
        mail["Subject"], mail["Date"] = f"Order {number}", formatdate()
        mail["Message-ID"] = f"<{number}@contoso.test>"
        mail.set_content(text)
        mail.add_alternative(html, subtype="html")
        mail.add_attachment(FILE, maintype="application", subtype="pdf", filename="terms.pdf")
        made += len(mail.as_bytes())
    return made


def _batch(side: str) -> dict[str, float]:
    """The process measures itself and the process that renders for it."""
    made = asyncio.run(batch_mailroom()) if side == "mailroom" else batch_straightforward()
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return {"cpu": cpu, "peak": (own.ru_maxrss + children.ru_maxrss) / 1024, "made": made}


def main() -> None:
    what, side = sys.argv[1:]
    if what == "batch":
        measured = _batch(side)
    elif side == "mailroom":
        measured = asyncio.run(measure_mailroom())
    else:
        measured = measure_straightforward(premailer=not side.endswith("css-inline"))
    print(json.dumps(measured))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
