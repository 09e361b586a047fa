"""What Mailroom adds at the end of a body that somebody else wrote."""

import re


def append_to_html(html: str, block: str) -> str:
    """The HTML with a block at the end of its body."""
    end = _last_end(html)
    return html[:end] + block + html[end:]


def append_to_text(text: str, paragraph: str) -> str:
    """The text with a paragraph at its end."""
    return text.rstrip("\n") + "\n\n" + paragraph + "\n"


def _last_end(html: str) -> int:
    """Where the body ends: what stands in comments is no end."""
    found = list(re.finditer(r"</body\s*>|</html\s*>", without_comments(html), re.IGNORECASE))
    bodies = [match for match in found if match[0].lower().startswith("</body")]
    if bodies:
        return bodies[-1].start()
    return found[-1].start() if found else len(html)


def without_comments(html: str) -> str:
    """The HTML with blanks in place of its comments, as long as before."""
    pieces: list[str] = []
    done = 0
    while (start := html.find("<!--", done)) >= 0 and (end := html.find("-->", start)) >= 0:
        pieces += (html[done:start], " " * (end + 3 - start))
        done = end + 3
    return "".join((*pieces, html[done:]))
