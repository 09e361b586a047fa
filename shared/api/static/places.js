// Where in a JSON text the value of a JSON pointer (RFC 6901) stands.

const STRING = /"(?:[^"\\]|\\.)*"/y;
const BLANK = /\s*/y;
const SCALAR = /[^\s,\]}]+/y;

/** Maps each pointer to [start, end] of its value; the text must be valid JSON. */
export function places(text) {
  const found = new Map();
  let at = 0;

  function take(pattern) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at = pattern.lastIndex;
    return match ? match[0] : "";
  }

  function value(pointer) {
    take(BLANK);
    const start = at;
    const opening = text[at];
    if (opening === "{" || opening === "[") members(pointer, opening === "{");
    else if (opening === '"') take(STRING);
    else take(SCALAR);
    found.set(pointer, [start, at]);
  }

  function members(pointer, named) {
    at += 1;
    for (let index = 0; ; index += 1) {
      take(BLANK);
      if (at >= text.length || "]}".includes(text[at])) break;
      let name = String(index);
      if (named) {
        name = JSON.parse(take(STRING) || '""');
        take(BLANK);
        at += 1;
      }
      value(`${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`);
      take(BLANK);
      if (text[at] === ",") at += 1;
    }
    at += 1;
  }

  value("");
  return found;
}

/** The place of a pointer, or of the nearest value around it. */
export function place(text, pointer) {
  let found;
  try {
    JSON.parse(text);
    found = places(text);
  } catch {
    return [0, 0];
  }
  for (let path = pointer; ; path = path.slice(0, path.lastIndexOf("/"))) {
    if (found.has(path)) return found.get(path);
    if (!path.includes("/")) return found.get("") ?? [0, 0];
  }
}

/** The line, from 1, of a position. */
export function line(text, position) {
  return text.slice(0, position).split("\n").length;
}
