"""MJML's components: where each may stand, and the attributes that it has.

https://documentation.mjml.io/ (4.15). mrml takes unknown ones without a word.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Component:
    """attributes: None where any will do. content: HTML, no further components."""

    parents: frozenset[str]
    attributes: frozenset[str] | None
    content: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EVERYWHERE = "css-class mj-class"
_PADDING = "padding padding-top padding-right padding-bottom padding-left"
_BORDER = "border border-top border-right border-bottom border-left border-radius"
_FONT = (
    "color font-family font-size font-style font-weight letter-spacing line-height "
    "text-decoration text-transform"
)
_BACKGROUND = (
    "background-color background-url background-repeat background-size background-position "
    "background-position-x background-position-y"
)
_LINK = "href rel target title name"
_BOX = f"container-background-color align {_PADDING}"

_IN_COLUMN = "mj-column mj-hero"

_TABLE = (
    # name, parents, attributes, whether it holds HTML
    ("mjml", "", "owa lang dir", False),
    ("mj-head", "mjml", "", False),
    ("mj-attributes", "mj-head", "", False),
    ("mj-breakpoint", "mj-head", "width", False),
    ("mj-font", "mj-head", "name href", False),
    ("mj-html-attributes", "mj-head", "", False),
    ("mj-selector", "mj-html-attributes", "path", False),
    ("mj-html-attribute", "mj-selector", "name", True),
    ("mj-preview", "mj-head", "", True),
    ("mj-style", "mj-head", "inline", True),
    ("mj-title", "mj-head", "", True),
    ("mj-body", "mjml", "width background-color", False),
    (
        "mj-wrapper", "mj-body",
        f"{_BACKGROUND} {_BORDER} {_PADDING} full-width text-align gap", False,
    ),
    (
        "mj-section", "mj-body mj-wrapper",
        f"{_BACKGROUND} {_BORDER} {_PADDING} direction full-width text-align text-padding", False,
    ),
    ("mj-group", "mj-section", "width vertical-align background-color direction", False),
    (
        "mj-column", "mj-section mj-group",
        (f"{_BORDER} {_PADDING} background-color direction inner-background-color inner-border "
        "inner-border-top inner-border-right inner-border-bottom inner-border-left "
        "inner-border-radius vertical-align width"), False,
    ),
    (
        "mj-hero", "mj-body mj-wrapper",
        (f"{_BACKGROUND} {_PADDING} align background-height background-width border-radius "
        "container-background-color height inner-background-color inner-padding "
        "inner-padding-top inner-padding-right inner-padding-bottom inner-padding-left mode "
        "vertical-align width"), False,
    ),
    ("mj-text", _IN_COLUMN, f"{_FONT} {_BOX} height vertical-align", True),
    (
        "mj-button", _IN_COLUMN,
        (f"{_FONT} {_BOX} {_BORDER} {_LINK} background-color height inner-padding text-align "
        "vertical-align width"), True,
    ),
    (
        "mj-image", _IN_COLUMN,
        (f"{_BOX} {_BORDER} {_LINK} alt fluid-on-mobile font-size height max-height sizes src "
        "srcset usemap width"), False,
    ),
    (
        "mj-divider", _IN_COLUMN,
        f"{_BOX} border-color border-style border-width width", False,
    ),
    ("mj-spacer", _IN_COLUMN, f"{_BORDER} {_PADDING} container-background-color height", False),
    (
        "mj-table", _IN_COLUMN,
        f"{_FONT} {_BOX} border cellpadding cellspacing role table-layout width", True,
    ),
    ("mj-raw", ("mjml mj-head mj-body mj-wrapper mj-section mj-group mj-column mj-hero mj-navbar "
     "mj-social mj-accordion mj-carousel"), "position", True),
    (
        "mj-social", _IN_COLUMN,
        (f"{_FONT} {_BOX} border-radius icon-height icon-padding icon-size inner-padding mode "
        "table-layout text-padding vertical-align"), False,
    ),
    (
        "mj-social-element", "mj-social",
        (f"{_FONT} {_LINK} {_PADDING} align alt background-color border-radius icon-height "
        "icon-padding icon-position icon-size src srcset sizes text-padding vertical-align"), True,
    ),
    (
        "mj-navbar", _IN_COLUMN,
        (f"align base-url hamburger ico-align ico-close ico-color ico-font-family ico-font-size "
        "ico-line-height ico-open ico-padding ico-padding-bottom ico-padding-left "
        f"ico-padding-right ico-padding-top ico-text-decoration ico-text-transform {_PADDING}"),
        False,
    ),
    ("mj-navbar-link", "mj-navbar", f"{_FONT} {_LINK} {_PADDING}", True),
    (
        "mj-accordion", _IN_COLUMN,
        (f"container-background-color border font-family icon-align icon-height icon-position "
        f"icon-unwrapped-alt icon-unwrapped-url icon-width icon-wrapped-alt icon-wrapped-url "
        f"{_PADDING}"), False,
    ),
    (
        "mj-accordion-element", "mj-accordion",
        ("background-color border font-family icon-align icon-height icon-position "
        "icon-unwrapped-alt icon-unwrapped-url icon-width icon-wrapped-alt icon-wrapped-url"),
        False,
    ),
    (
        "mj-accordion-title", "mj-accordion-element",
        f"background-color color font-family font-size font-weight {_PADDING}", True,
    ),
    (
        "mj-accordion-text", "mj-accordion-element",
        ("background-color color font-family font-size font-weight letter-spacing line-height "
        f"{_PADDING}"), True,
    ),
    (
        "mj-carousel", _IN_COLUMN,
        ("align border-radius container-background-color icon-width left-icon right-icon "
        f"{_PADDING} tb-border tb-border-radius tb-hover-border-color tb-selected-border-color "
        "tb-width thumbnails"), False,
    ),
    (
        "mj-carousel-image", "mj-carousel",
        f"alt border-radius {_LINK} src tb-border tb-border-radius thumbnails-src", False,
    ),
)  # fmt: skip

COMPONENTS = {
    name: Component(_words(parents), _words(f"{attributes} {_EVERYWHERE}"), content)
    for name, parents, attributes, content in _TABLE
}

# Within mj-attributes any component stands for its defaults, and two names only there.
DEFAULTS_FOR_ALL = frozenset(["mj-all", "mj-class"])

# Where the number of children decides about their widths: no control structure may stand here
# once and for all recipients.
INDEPENDENT_CHILDREN = frozenset(["mj-body", "mj-column", "mj-hero"])
