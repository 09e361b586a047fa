"""For each rule: mails in which it must find something, and look-alikes in which it must not."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.messages.model import Address, Message
from tests.lint.mails import (
    NEWSLETTER_HTML,
    NEWSLETTER_TEXT,
    attach,
    good_newsletter,
    good_receipt,
    make_message,
    page,
)


@dataclass(frozen=True)
class Cases:
    """Mails that a rule is about."""

    true: Sequence[Message]
    alike: Sequence[Message]


def subject(line: str, **fields: object) -> Message:
    return make_message(subject=line, **fields)


def html(body: str, **fields: object) -> Message:
    return make_message(**{"html": page(body), **fields})


def head(content: str, body: str = "<p>Hello Ana, here is your invoice.</p>") -> Message:
    return make_message(html=page(body, head=content))


def text(body: str, **fields: object) -> Message:
    return make_message(text=body, **fields)


def link(href: str, shown: str = "your invoice") -> Message:
    return html(f'<p>Please look at <a href="{href}">{shown}</a> when there is time for it.</p>')


def bulk(**fields: object) -> Message:
    return good_newsletter().model_copy(update=fields)


def newsletter(old: str, new: str) -> Message:
    assert old in NEWSLETTER_HTML
    return bulk(html=NEWSLETTER_HTML.replace(old, new), text=NEWSLETTER_TEXT.replace(old, new))


def button(style: str, *, cell: str = "") -> Message:
    return html(
        f'<table role="presentation"><tr><td {cell}><a href="https://contoso.com/" style="'
        f'{style}">Pay the invoice</a></td></tr></table><p>It is due on Monday, 30 November.</p>'
    )


LONG = "Your invoice for the chairs that were delivered to the office in November of this year"
WORDS = "We have received your payment for the chairs and thank you for it very much indeed."
ADDRESS = "Contoso Ltd, 1 High Street, London SW1A 1AA"

CASES = {
    "subject-missing": Cases(
        true=[good_receipt().model_copy(update={"subject": ""}),
              good_receipt().model_copy(update={"subject": " "})],
        alike=[subject("1"), subject("¿?")],
    ),
    "subject-long": Cases(true=[subject(LONG)], alike=[subject("x" * 78)]),
    "subject-capitals": Cases(
        true=[subject("YOUR INVOICE IS READY"), subject("IHRE RECHNUNG 1042")],
        alike=[subject("IBAN"), subject("Your INVOICE is ready"), subject("INV-1042"),
               subject("您的发票已准备好"), subject("SEPA: Lastschrift")],
    ),
    "subject-punctuation": Cases(
        true=[subject("Your invoice!!"), subject("Really???"), subject("Win $$$"),
              subject("Hurry! Now!"), subject("Wait.....")],
        alike=[subject("Ready?"), subject("At last!"), subject("¡Hola!"), subject("Well ... yes"),
               subject("Paid $100")],
    ),
    "subject-emoji": Cases(
        true=[subject("News 🎉🎁🔥 for you")],
        alike=[subject("News 🎉🎁"), subject("Family 👨‍👩‍👧‍👦 day"),
               subject("Visit 🇩🇪 🇫🇷"), subject("5 ★ hotel")],
    ),
    "subject-reply": Cases(
        true=[subject("Re: your invoice"), subject("FWD: offer"), subject("AW: Rechnung"),
              subject("RE[2]: x"), subject("Fw : x")],
        alike=[subject("Regarding: your invoice"), subject("Re-order 12"), subject("Refund: done"),
               subject("Re: case 77", headers={"In-Reply-To": "<a@fabrikam.com>"}),
               subject("Re: case 77", headers={"references": "<a@fabrikam.com>"})],
    ),
    "emoji-only": Cases(
        true=[subject("🎉🎉"), text("👍"), html("<p>🎉 ❤️</p>", text="party")],
        alike=[subject("🎉 Party"), text("👍 done"), text("..."), text("1️⃣")],
    ),
    "text-missing": Cases(
        true=[html(f"<p>{WORDS}</p>", text=None), html(f"<p>{WORDS}</p>", text=" ")],
        alike=[html(f"<p>{WORDS}</p>", text=WORDS), text("Hi")],
    ),
    "text-differs": Cases(
        true=[html(f"<p>{WORDS}</p>", text="Please open this mail in a browser."),
              html(f"<p>{WORDS}</p>", text=WORDS + " Besides there is a lot more to say, of which "
                   "other readers never hear a word: storms, rivers, mountains, trains, music."),
              html(f"<p>{WORDS} € 42.00</p>", text=f"{WORDS} € 24.00")],
        alike=[html(f"<p>{WORDS.upper()}</p>", text=WORDS),
               html(f"<p>{WORDS}</p><p>€ 1,249.90</p>", text=f"{WORDS}\n\n* EUR 1.249,90"),
               html(f"<p>{WORDS} <a href='https://contoso.com/a'>See it</a></p>",
                    text=f"{WORDS} See it: https://contoso.com/a?with=a&very=long&address=of"),
               html("<p>请查看您的发票，谢谢您的付款，期待再次合作</p>",
                    text="请查看您的发票，谢谢您的付款。期待再次合作")],
    ),
    "text-line-long": Cases(
        true=[text("word " * 200)], alike=[text("word " * 199), text(("word " * 100 + "\n") * 9)]
    ),
    "word-long": Cases(
        true=[html(f"<p>{'Donau' * 15} {WORDS}</p>")],
        alike=[html(f'<p style="overflow-wrap:anywhere">{"Donau" * 15} {WORDS}</p>'),
               html(f"<p>Donaudampfschifffahrtselektrizitätenhauptbetriebswerk {WORDS}</p>"),
               html("<p>" + "请查看您的发票谢谢您的付款期待再次合作" * 5 + "</p>"),
               html(f"<p>https://contoso.com/{'a-b/' * 20} {WORDS}</p>")],
    ),
    "images-only": Cases(
        true=[html('<img src="https://cdn.contoso.com/all.png" alt="">'),
              html('<img src="https://c.contoso.com/all.png" alt="Our offer"><p>Unsubscribe</p>')],
        alike=[html(f'<img src="https://cdn.contoso.com/a.png" alt=""><p>{WORDS}</p>'),
               html("<p>Your code is 482913</p>")],
    ),
    "image-alt-missing": Cases(
        true=[html(f'<img src="https://cdn.contoso.com/a.png"><p>{WORDS}</p>')],
        alike=[html(f'<img src="https://cdn.contoso.com/a.png" alt=""><p>{WORDS}</p>'),
               html(f'<img src="https://c.contoso.com/a.png" role="presentation"><p>{WORDS}</p>')],
    ),
    "image-alt-file-name": Cases(
        true=[html('<img src="https://cdn.contoso.com/a.png" alt="IMG_0042.JPG">')],
        alike=[html('<img src="https://cdn.contoso.com/a.png" alt="The new logo.">')],
    ),
    "image-missing": Cases(
        true=[html('<img src="cid:logo" alt="Contoso">'),
              html(f'<table background="cid:ground"><tr><td>{WORDS}</td></tr></table>')],
        alike=[good_receipt(), html('<p>Write "cid:logo" into the HTML.</p>')],
    ),
    "image-unused": Cases(
        true=[html(f"<p>{WORDS}</p>", attachments=(attach("a.png", inline_id="a"),))],
        alike=[good_receipt(), html(f"<p>{WORDS}</p>", attachments=(attach("a.png"),)),
               html(f'<div style="background-image:url(cid:a)">{WORDS}</div>',
                    attachments=(attach("a.png", inline_id="a"),))],
    ),
    "image-heavy": Cases(
        true=[html('<img src="cid:a" alt="">',
                   attachments=(attach("a.png", bytes(301 * 1024), inline_id="a"),)),
              html("".join(f'<img src="cid:{i}" alt="">' for i in range(5)), attachments=tuple(
                  attach("a.png", bytes(250 * 1024), inline_id=str(i)) for i in range(5)))],
        alike=[good_receipt(), make_message(attachments=(attach("a.pdf", bytes(2_000_000)),))],
    ),
    "image-data-uri": Cases(
        true=[html('<img alt="" src="data:image/png;base64,iVBORw0KGgo=">')],
        alike=[html('<img alt="" src="https://cdn.contoso.com/data:image.png">'),
               html("<p>data:image/png;base64,iVBORw0KGgo=</p>")],
    ),
    "image-http": Cases(
        true=[html('<img alt="" src="http://cdn.contoso.com/a.png">')],
        alike=[html('<img alt="" src="https://cdn.contoso.com/?u=http://a.contoso.com">')],
    ),
    "tracking-pixel": Cases(
        true=[html('<img src="https://t.contoso.com/o?id=1" width="1" height="1" alt="">'),
              html('<img src="//t.contoso.com/o" style="width:0;height:0" alt="">'),
              html('<img src="https://t.contoso.com/o" style="display:none" alt="">')],
        alike=[html('<img src="https://cdn.contoso.com/line.png" width="600" height="1" alt="">'),
               html('<img src="cid:dot" width="1" height="1" alt="">'),
               html('<img src="https://cdn.contoso.com/a.png" alt="" width="100%">')],
    ),
    "link-http": Cases(
        true=[link("http://www.contoso.com/"), text("See http://www.contoso.com/ for more.")],
        alike=[link("https://www.contoso.com/?next=http://x.contoso.com"),
               link("mailto:a@contoso.com"), link("tel:+441234"), text("Use http or https.")],
    ),
    "link-ip": Cases(
        true=[link("https://192.0.2.7/x"), link("http://3221225991/"), link("https://0xC0.0.2.7/"),
              link("https://[2001:db8::1]/"), text("https://192.0.2.7/")],
        alike=[link("https://1and1.com/"), link("https://127.contoso.com/1.2.3.4"),
               text("The server 192.0.2.7 was restarted.")],
    ),
    "link-shortener": Cases(
        true=[link("https://bit.ly/3abc"), link("https://www.tinyurl.com/x"),
              text("See https://t.co/abc")],
        alike=[link("https://notbit.ly.contoso.com/"), link("https://contoso.com/bit.ly"),
               link("https://aka.ms/x")],
    ),
    "link-disguised": Cases(
        true=[link("https://contoso.evil.net/", "https://www.contoso.com/login"),
              link("https://evil.net/", "contoso.com"),
              link("https://evil.net/", "Sign in at www.contoso.com today"),
              link("https://www.contoso.com@evil.net/"),
              link("https://contoso.azurewebsites.net/", "fabrikam.azurewebsites.net"),
              link("https://evil.net/", "münchen.de")],
        alike=[link("https://login.contoso.com/", "https://www.contoso.com/"),
               link("https://www.contoso.co.uk/", "contoso.co.uk"),
               link("https://contoso.com/f/1", "README.md"),
               link("https://contoso.com/f/1", "report.docx"),
               link("https://contoso.com/", "Version 2.0.1"),
               link("https://contoso.com/js", "our Node.js guide"),
               link("mailto:ana@fabrikam.com", "fabrikam.com"),
               link("https://www.xn--mnchen-3ya.de/", "münchen.de"),
               link("https://contoso.com/", "Read more...")],
    ),
    "link-dead": Cases(
        true=[link("#"), link(""), link(" "), link("#nowhere"), link("https://")],
        alike=[link("https://contoso.com/#"), link("#top"),
               html('<p><a href="#more">More</a> of it below.</p><h2 id="more">More</h2>'),
               html('<p><a name="top">Top</a> of the mail.</p>')],
    ),
    "link-script": Cases(
        true=[link("javascript:alert(1)"), link("JaVa\tScript:alert(1)"), link(" data:text/html,x"),
              link("vbscript:x")],
        alike=[link("https://contoso.com/javascript:x"), link("sms:+44123")],
    ),
    "link-example": Cases(
        true=[link("https://example.com/"), link("https://www.example.org/x"),
              link("http://localhost:7071/api"), text("See https://shop.example/ now")],
        alike=[link("https://example.contoso.com/"), link("https://myexample.com/"),
               text("You get this as ana@example.com.")],
    ),
    "link-empty": Cases(
        true=[link("https://contoso.com/", " "), link("https://contoso.com/", "&nbsp;"),
              link("https://contoso.com/", '<img src="https://cdn.contoso.com/a.png" alt="">')],
        alike=[link("https://contoso.com/",
                    '<img src="https://cdn.contoso.com/a.png" alt="Contoso">'),
               link("https://contoso.com/", "<b>x</b>")],
    ),
    "placeholder": Cases(
        true=[subject("Hello {{ name }}"), subject("Hello {{name"), text("Dear [NAME], hello"),
              text("Dear %%FirstName%%, hello"), text("Hi <%= user.name %>"), text("Hi *|FNAME|*"),
              text("Dear undefined, hello"), text("[Insert name here]"), text("Hi ${user.name}!"),
              text("[object Object]"), text("TODO: write this"), text("{% if x %}"),
              html("<p>Lorem ipsum dolor</p>"), html("<p>Dear <b>{{ name }}</b></p>"),
              link("https://contoso.com/{{ id }}"), link("https://contoso.com/%7B%7Bid%7D%7D"),
              link("https://contoso.com/orders/undefined"),
              html("<p>Hi <%= name %> of Contoso</p>"),
              html('<img src="https://cdn.contoso.com/a.png" alt="{{ alt }}">')],
        alike=[subject("[Contoso] Build failed"), subject("[URGENT] [EXTERNAL] Notice"),
               text("Todo el mundo, TODO incluido"), text("100%% sure, 5%% more"),
               text("Dear Nan, dear Null family"), text("See [link](https://contoso.com) [1]"),
               text("if (a) { b } else { c }"), text("Card XXXX XXXX XXXX 1234, price $5"),
               text("a <% b"), text("Microsoft To Do"), text("The name [name] in lower case"),
               head("<style>@media (max-width:1px){p{color:red}}</style>"),
               link("https://contoso.com/undefined-behaviour?name=none")],
    ),
    "unsubscribe-missing": Cases(
        true=[newsletter(">Unsubscribe<", ">Leave us<").model_copy(update={
                  "html": NEWSLETTER_HTML.replace(">Unsubscribe<", ">x<").replace(
                      "unsubscribe/abc", "u/abc")}),
              make_message(category="bulk", text=f"News! {ADDRESS}")],
        alike=[good_newsletter(), make_message(), newsletter(">Unsubscribe<", ">x<"),
               newsletter(">Unsubscribe<", ">Newsletter abbestellen<"),
               newsletter(">Unsubscribe<", ">Se désabonner<"),
               newsletter(">Unsubscribe<", ">Darse de baja<"),
               make_message(category="bulk", text=f"News! Unsubscribe: https://contoso.com/u/1 "
                            f"{ADDRESS}")],
    ),
    "postal-address-missing": Cases(
        true=[newsletter(ADDRESS, "© 2026 Contoso Ltd"), newsletter(ADDRESS, "Call 0800 123 4567")],
        alike=[good_newsletter(), make_message(),
               newsletter(ADDRESS, "Contoso GmbH, Hauptstraße 12, 10115 Berlin"),
               newsletter(ADDRESS, "Contoso SARL, 12 rue de la Paix, 75002 Paris"),
               newsletter(ADDRESS, "Contoso SL, Calle de Alcalá 45, 28014 Madrid"),
               newsletter(ADDRESS, "Contoso Inc., One Microsoft Way, Redmond, WA 98052"),
               newsletter(ADDRESS, "Contoso BV, Keizersgracht 1, 1015 CJ Amsterdam"),
               newsletter(ADDRESS, "Contoso Inc., PO Box 77, Springfield")],
    ),
    "noreply-sender": Cases(
        true=[bulk(sender=Address(email="no-reply@contoso.com"), reply_to=()),
              bulk(reply_to=(Address(email="donotreply@contoso.com"),))],
        alike=[good_newsletter(), make_message(sender=Address(email="noreply@contoso.com")),
               bulk(sender=Address(email="noreply@contoso.com")),
               bulk(sender=Address(email="norah@contoso.com"), reply_to=())],
    ),
    "reply-to-differs": Cases(
        true=[make_message(reply_to=(Address(email="a@gmail.com"),))],
        alike=[make_message(reply_to=(Address(email="a@help.contoso.com"),)),
               make_message(sender=Address(email="a@mail.contoso.co.uk"),
                            reply_to=(Address(email="b@contoso.co.uk"),))],
    ),
    "size-clipped": Cases(
        true=[html(f"<p>{'ж' * 60_000}</p>"), html(f"<!-- {'x' * 105_000} --><p>{WORDS}</p>")],
        alike=[html(f"<p>{'word ' * 20_000}</p>"), text("ж" * 110_000)],
    ),
    "viewport-missing": Cases(
        true=[make_message(html=f"<table><tr><td>{WORDS}</td></tr></table>")],
        alike=[good_receipt(), make_message(html=f"<p>{WORDS}</p>")],
    ),
    "width-fixed": Cases(
        true=[html(f'<table width="600"><tr><td>{WORDS}</td></tr></table>'),
              html(f'<div style="width: 640px">{WORDS}</div>'),
              html(f'<div style="min-width:600px">{WORDS}</div>')],
        alike=[good_receipt(), good_newsletter(),
               html(f'<table width="320"><tr><td>{WORDS}</td></tr></table>'),
               html(f'<table width="600" style="width:100%"><tr><td>{WORDS}</td></tr></table>'),
               html('<img src="https://cdn.contoso.com/a.png" alt="" width="1200" '
                    'style="max-width:100%">'),
               html(f'<table width="100%"><tr><td width="550">{WORDS}</td></tr></table>')],
    ),
    "tap-target-small": Cases(
        true=[button("display:inline-block;background:#0b5cad;color:#fff;padding:6px 12px"),
              button("display:block;padding:8px;line-height:18px;color:#fff",
                     cell='bgcolor="#0b5cad"')],
        alike=[button("display:inline-block;background:#0b5cad;color:#fff;padding:14px 20px"),
               button("display:block;padding:4px;color:#fff;line-height:40px;background:#0b5cad"),
               button("display:inline-block;padding:8px;color:#fff", cell='bgcolor="#0b5cad" '
                      'height="48"'),
               button("color:#0b5cad"), good_receipt()],
    ),
    "font-small": Cases(
        true=[html(f'<p style="font-size:11px">{WORDS}</p>'),
              html(f'<font size="1">{WORDS}</font>'),
              html(f'<div style="font-size:8pt">{WORDS}</div>'),
              html(f'<div style="font-size:13px">{WORDS}</div>'),
              head("<style>.s{font-size:60%}</style>", f'<p class="s">{WORDS}</p>')],
        alike=[html(f'<p>{WORDS}</p><p style="font-size:12px">{ADDRESS}</p>'),
               html(f'<div style="font-size:0"><p style="font-size:16px">{WORDS}</p></div>'),
               html(f'<p>{WORDS}<span style="font-size:5px">•</span></p>'),
               html(f'<p style="font-size:1.1em">{WORDS}</p>'),
               head("<style>.s{font-size:9px}p.s{font-size:16px}</style>",
                    f'<p class="s">{WORDS}</p>')],
    ),
    "contrast-low": Cases(
        true=[html(f'<p style="color:#999999">{WORDS}</p>'),
              html(f'<td bgcolor="#ffcc00"><span style="color:#fff">{WORDS}</span></td>'),
              head("<style>td p{color:#aaa}</style>",
                   f"<table><tr><td><p>{WORDS}</p></td></tr></table>"),
              html(f'<p style="color:rgba(0,0,0,.3)">{WORDS}</p>')],
        alike=[html(f'<p style="color:#767676">{WORDS}</p>'),
               html(f'<p style="color:#909090;font-size:24px">{WORDS}</p>'),
               html(f'<div style="background:url(https://cdn.contoso.com/a.png)"><p style="color:'
                    f'#fff">{WORDS}</p></div>'),
               html(f'<div style="background:#000"><p style="color:#fff">{WORDS}</p></div>'),
               head("<style>p{color:#aaa}</style>", f'<p style="color:#222">{WORDS}</p>'),
               html(f'<p>{WORDS}<span style="color:#ccc">|</span></p>')],
    ),
    "contrast-low-dark": Cases(
        true=[head("<style>@media (prefers-color-scheme: dark){body{background:#111!important}}"
                   "</style>"),
              newsletter("a.button { background-color: #8ab4f8 !important; color: #10131a "
                         "!important }", "")],
        alike=[good_newsletter(), head("<style>@media (prefers-color-scheme: dark){body,p,div"
                                       "{background:#111!important;color:#eee!important}}</style>"),
               html(f'<p style="color:#ddd">{WORDS}</p>')],
    ),
    "text-invisible": Cases(
        true=[html(f'<p>{WORDS}</p><p style="display:none">cheap watches</p>'),
              html(f'<p>{WORDS}</p><p style="font-size:0">cheap watches</p>'),
              html(f'<p>{WORDS}</p><p style="color:#fefefe">cheap watches</p>'),
              html(f'<p>{WORDS}</p><p style="opacity:0">cheap watches</p>'),
              html(f'<p>{WORDS}</p><p style="visibility:hidden">cheap watches</p>')],
        alike=[good_receipt(), good_newsletter(),
               head("<style>@media (max-width:480px){.m{display:block!important}}</style>",
                    f'<p>{WORDS}</p><p class="m" style="display:none">For telephones</p>'),
               html(f'<p>{WORDS}</p><p style="display:none">&nbsp;&zwnj;</p>'),
               html(f'<p>{WORDS}</p><table style="font-size:0"><tr><td style="font-size:16px">x'
                    '</td></tr></table>')],
    ),
    "html-form": Cases(
        true=[html('<form action="https://contoso.com/"><input name="a"></form>')],
        alike=[html("<p>Fill in the &lt;form&gt; on our page.</p>")],
    ),
    "html-script": Cases(
        true=[html("<script>alert(1)</script>"), head("<SCRIPT src='https://contoso.com/a.js'>"
                                                      "</SCRIPT>")],
        alike=[html("<p>&lt;script&gt; and the postscript</p>"),
               html("<!-- <script></script> -->")],
    ),
    "html-frame": Cases(
        true=[html('<iframe src="https://contoso.com/"></iframe>'),
              html('<object data="a.swf"></object>'), html('<embed src="a.swf">')],
        alike=[html("<p>The frame of the &lt;iframe&gt;</p>")],
    ),
    "html-handler": Cases(
        true=[html('<p onclick="x()">Hi</p>'), html('<img alt="" src="cid:a" ONERROR=x>')],
        alike=[html('<p data-onclick="x" class="onclick">Hi</p>'), html("<p on>Hi</p>")],
    ),
    "css-external": Cases(
        true=[head('<link rel="stylesheet" href="https://fonts.contoso.com/a.css">'),
              head("<style>@import url(https://fonts.contoso.com/a.css);</style>")],
        alike=[head('<link rel="icon" href="https://contoso.com/a.ico">'),
               head("<style>p{color:#222}</style>"),
               head('<!--[if mso]><link rel="stylesheet" href="https://x.contoso.com"><![endif]-->')],
    ),
    "html-broken": Cases(
        true=[html("<div><p>Hi</p>"), html("<p>Hi</b></p>"), html("<b><i>Hi</b></i>"),
              html('<a href="https://contoso.com>Hi</a>'), html("<!-- never closed"),
              make_message(html="<table><tr><td>Hi")],
        alike=[html("<ul><li>One<li>Two</ul><p>Three<p>Four"),
               html("<p>1 < 2 and 3 > 2<br>x<hr></p>"),
               html("<p title='a > b'>x</p><img alt='' src='cid:a'/>"),
               html("<!--[if !mso]><!--><p>x</p><!--<![endif]--><![if !mso]>x<![endif]>"),
               html("<table><tr><td>x<td>y<tr><td>z</table>"), html("<P>x</p><o:p></o:p>"),
               html("<p>it's <span title=it's>5 o'clock</span></p>"),
               head("<style>a > b { content: '</p>' }</style>")],
    ),
    "language-missing": Cases(
        true=[make_message(html="<p>Hello Ana</p>"),
              make_message(html='<html lang=""><p>Hi</html>')],
        alike=[html("<p>Hello</p>"), make_message(html='<body lang="de"><p>Hallo</p></body>'),
               text("Hello")],
    ),
    "title-missing": Cases(
        true=[make_message(html="<p>Hello</p>"), make_message(html="<title> </title><p>Hello</p>")],
        alike=[html("<p>Hello</p>"), text("Hello")],
    ),
    "preheader-missing": Cases(
        true=[make_message(html=f"<table><tr><td>{WORDS}</td></tr></table>"),
              make_message(html=f"<p>{WORDS}</p>", category="bulk")],
        alike=[good_receipt(), good_newsletter(), make_message(html=f"<p>{WORDS}</p>")],
    ),
    "attachment-rejected": Cases(
        true=[make_message(attachments=(attach(name),)) for name in
              ("setup.exe", "SETUP.EXE", "list.docm", "disk.iso", "a.b.jar")],
        alike=[make_message(attachments=(attach(name),)) for name in
               ("exe.pdf", "invoice.pdf", "exe", "table.xlsx", "files.zip")],
    ),
    "attachment-blocked": Cases(
        true=[make_message(attachments=(attach("tool.py"),)),
              make_message(attachments=(attach("page.mht"),)),
              make_message(attachments=(attach("a.txt", content_type="application/javascript"),))],
        alike=[make_message(attachments=(attach("a.json", content_type="application/json"),)),
               make_message(attachments=(attach("py.txt"),))],
    ),
    "attachment-double-extension": Cases(
        true=[make_message(attachments=(attach(name),)) for name in
              ("invoice.pdf.exe", "photo.jpg.html", "invoice.pdf   .js", "list.xlsx.vbs")],
        alike=[make_message(attachments=(attach(name),)) for name in
               ("backup.tar.gz", "report.2026.pdf", "list.csv.zip", "invoice.pdf.p7s", "v1.2.html",
                "min.js", "page.html")],
    ),
    "spam-phrases": Cases(
        true=[text("Act now! It is 100% free, and risk-free as well."),
              text("Jetzt zuschlagen, nur noch heute: 100 % gratis!"),
              text("Vous avez gagné un cadeau gratuit. Offre limitée !"),
              subject("¡Última oportunidad!", text="Oferta limitada: compre ahora")],
        alike=[text("Click here to act; your trial is free."), text("The winner is Ana."),
               text("You can order now or buy now, as you like.")],
    ),
    "not-checked": Cases(
        true=[html("<div>" * 300 + WORDS + "</div>" * 300), html("<p>x</p>" * 40_000),
              text("word\n" * 60_000)],
        alike=[html("<div>" * 60 + WORDS + "</div>" * 60), text("word\n" * 10_000)],
    ),
}  # fmt: skip
