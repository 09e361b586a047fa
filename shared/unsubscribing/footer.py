"""The visible link to unsubscribe, where a mail's author left it out."""

from html import escape

from shared.composing import endings
from shared.messages.model import Message
from shared.unsubscribing.texts import language_of, texts_in


def with_unsubscribe_footer(message: Message, url: str, language: str) -> Message:
    """The message with the link at the end of each body that does not show it. Pure.

    url: as `UnsubscribeLinks.url` made it for this message; with "" the message stays as it is, as
    does one that cannot be unsubscribed from. language: of the mail, a tag such as `de-AT`.
    """
    if not (url and message.listed):
        return message
    words, changes = texts_in(language), {}
    if message.text is not None and url not in message.text:
        paragraph = f"-- \n{words['footer']}:\n{url}"
        changes["text"] = endings.append_to_text(message.text, paragraph)
    if message.html is not None and escape(url) not in endings.without_comments(message.html):
        block = _block(words["footer"], url, language_of(language))
        changes["html"] = endings.append_to_html(message.html, block)
    return message.model_copy(update=changes) if changes else message


def _block(words: str, url: str, language: str) -> str:
    return (
        f'<div lang="{language}" style="margin:24px auto 0;max-width:600px;padding:16px;'
        "text-align:center;background-color:#ffffff;color:#57606a;font-family:Arial,sans-serif;"
        f'font-size:14px;line-height:20px"><a href="{escape(url)}" style="color:#57606a;'
        f'text-decoration:underline">{escape(words)}</a></div>'
    )
