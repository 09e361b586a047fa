// A document in light or dark, whatever the reader's own colours are.

const ASKED = /\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)/gi;

function answered(media, scheme) {
  return media.replace(ASKED, (_, wanted) => (wanted.toLowerCase() === scheme ? "(min-width: 0px)" : "(max-width: 0px)"));
}

function answer(rules, scheme) {
  for (const rule of rules) {
    if (rule.media) rule.media.mediaText = answered(rule.media.mediaText, scheme);
    if (rule.cssRules) answer(rule.cssRules, scheme);
  }
}

/** Answers each question for the colour scheme as if the reader had chosen this one. */
export function dress(inside, scheme) {
  inside.documentElement.style.setProperty("color-scheme", scheme, "important");
  for (const sheet of inside.styleSheets) {
    if (sheet.media) sheet.media.mediaText = answered(sheet.media.mediaText, scheme);
    answer(sheet.cssRules, scheme);
  }
  for (const source of inside.querySelectorAll("source[media]")) source.media = answered(source.media, scheme);
}
