"""What a page must be for everyone to use it, measured in the browser."""

from typing import Any

from playwright.async_api import Page

# Relative luminance and contrast as WCAG 2.2 defines them, for each element with text of its own.
_MEASURE = """() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  const texts = [...document.body.querySelectorAll('*')].filter(own).map(e => {
    const style = getComputedStyle(e), a = light(rgb(style.color)), b = light(ground(e));
    return {tag: e.tagName, text: e.textContent.trim().slice(0, 30),
            size: parseFloat(style.fontSize),
            contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)};
  });
  const all = 'button, select, input:not([type=hidden])';
  const controls = [...document.querySelectorAll(all)].map(e => {
    const labels = [...(e.labels || [])];
    // A tick is hit by its label too, which stands beside it.
    const hit = e.type === 'checkbox' ? [e, ...labels] : [e];
    const boxes = hit.map(one => one.getBoundingClientRect());
    return {tag: e.tagName,
            width: Math.max(...boxes.map(b => b.right)) - Math.min(...boxes.map(b => b.left)),
            height: Math.max(...boxes.map(b => b.height)),
            named: Boolean(e.textContent.trim() || labels.length)};
  });
  const root = document.documentElement;
  return {texts, controls, wider: root.scrollWidth - root.clientWidth,
          lang: root.lang, title: document.title,
          headings: document.querySelectorAll('h1').length,
          mains: document.querySelectorAll('main').length,
          ground: getComputedStyle(document.body).backgroundColor};
}"""


async def check_usable(page: Page) -> dict[str, Any]:
    """Fits the screen, can be read, hit and named (WCAG 1.4.3, 1.4.10, 2.4.2, 2.5.5, 3.1.1)."""
    measured: dict[str, Any] = await page.evaluate(_MEASURE)
    assert measured["wider"] <= 0
    assert measured["lang"] in {"en", "de", "fr", "es"}
    assert measured["title"]
    assert (measured["headings"], measured["mains"]) == (1, 1)
    assert measured["texts"]
    for text in measured["texts"]:
        assert text["size"] >= 14, text
        assert text["contrast"] >= 4.5, text
    for control in measured["controls"]:
        assert control["height"] >= 44, control
        assert control["width"] >= 44, control
        assert control["named"], control
    return measured
