// Mailroom's API, asked with the function key or token that this tab keeps.

const KEY = "mailroom-key";
const AUTHOR = "mailroom-author";

export class Refusal extends Error {
  constructor(status, problem) {
    super([problem.detail, problem.fix].filter(Boolean).join(" ") || `Mailroom answered ${status}.`);
    this.status = status;
    this.errors = problem.errors ?? [];
  }
}

export const credentials = {
  get key() { return sessionStorage.getItem(KEY) ?? ""; },
  get author() { return sessionStorage.getItem(AUTHOR) ?? ""; },
  keep(key, author) {
    sessionStorage.setItem(KEY, key);
    sessionStorage.setItem(AUTHOR, author);
  },
  forget() {
    sessionStorage.removeItem(KEY);
  },
};

/** A token of Entra ID has three parts; a function key has no dot. */
function authorization(key) {
  return /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(key) ? { Authorization: `Bearer ${key}` } : { "x-functions-key": key };
}

/** One request; the answer's JSON and ETag, or a Refusal. */
export async function ask(method, path, body, more = {}) {
  const headers = { ...authorization(credentials.key), ...more };
  const author = credentials.author;
  // A header holds ASCII alone.
  if (author) headers["x-mailroom-author"] = /^[ -~]*$/.test(author) ? author : encodeURIComponent(author);
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`../${path}`, {
      method, headers, cache: "no-store", credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refusal(0, { detail: "Mailroom does not answer.", fix: "Look whether it runs, and try again." });
  }
  const text = await response.text();
  let value = {};
  try {
    value = text ? JSON.parse(text) : {};
  } catch { /* the host itself answers without JSON */ }
  if (!response.ok) {
    const refused = response.status === 401 || response.status === 403;
    throw new Refusal(response.status, refused && !value.detail ? { detail: "The key is not accepted." } : value);
  }
  return { value, etag: response.headers.get("ETag") ?? "" };
}
