// The inbox page. Everything that comes from mail enters the document as text, never as markup.

const PAGE = 50;
const WAIT = 25; // seconds that the server holds a request back while no mail comes
const SHOWN = 500_000; // characters of a source that are shown

const byId = (id) => document.getElementById(id);
const state = { query: "", offset: 0, last: 0, total: 0, chosen: null, tab: null };
let poll = null;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

async function ask(path, options = {}) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

function size(octets) {
  if (octets < 1024) return `${octets} B`;
  if (octets < 1024 * 1024) return `${(octets / 1024).toFixed(1)} KB`;
  return `${(octets / 1024 / 1024).toFixed(1)} MB`;
}

function shortTime(text) {
  const time = new Date(text);
  const today = new Date().toDateString() === time.toDateString();
  return today ? time.toLocaleTimeString() : time.toLocaleDateString();
}

// The list

function listPath(wait) {
  const wanted = new URLSearchParams({ limit: PAGE, offset: state.offset });
  if (state.query) wanted.set("q", state.query);
  if (wait) {
    wanted.set("after", state.last);
    wanted.set("wait", WAIT);
  }
  return `/api/messages?${wanted}`;
}

function row(message, fresh) {
  return element(
    "li",
    { "data-number": message.number },
    element(
      "a",
      { href: `#${message.number}`, class: fresh ? "fresh" : null },
      element("span", { class: "subject" }, message.subject || "(no subject)"),
      element(
        "time",
        { datetime: message.received_at, title: new Date(message.received_at).toLocaleString() },
        shortTime(message.received_at),
      ),
      element(
        "span",
        { class: "who" },
        `${message.from || message.sender || "<>"} → ${message.recipients.join(", ")}`,
      ),
    ),
  );
}

// Rows that are there already stay as they are: nothing flashes, focus and scrolling are kept.
function showList(found) {
  const rows = byId("rows");
  const before = new Map([...rows.children].map((one) => [one.dataset.number, one]));
  const isFirst = state.last === 0 && before.size === 0;
  const wanted = found.messages.map((message) => {
    const there = before.get(String(message.number));
    return there ?? row(message, !isFirst && message.number > state.last);
  });
  const keep = new Set(wanted);
  for (const one of before.values()) if (!keep.has(one)) one.remove();
  wanted.forEach((one, index) => {
    if (rows.children[index] !== one) rows.insertBefore(one, rows.children[index] ?? null);
  });
  state.last = found.last;
  state.total = found.total;
  const empty = byId("empty");
  empty.hidden = found.messages.length > 0;
  empty.textContent = state.query ? "Nothing found." : "No mail yet. It shows up here by itself.";
  byId("pager").hidden = found.total <= PAGE;
  byId("newer").disabled = state.offset === 0;
  byId("older").disabled = state.offset + PAGE >= found.total;
  byId("range").textContent =
    `${state.offset + 1}–${Math.min(state.offset + PAGE, found.total)} of ${found.total}`;
  byId("state").className = "";
  byId("state").textContent = `${found.kept} message${found.kept === 1 ? "" : "s"}`;
  markChosen();
}

function markChosen() {
  for (const one of byId("rows").children) {
    const link = one.firstChild;
    const chosen = Number(one.dataset.number) === state.chosen;
    link.setAttribute("aria-current", String(chosen));
    if (chosen) link.classList.remove("fresh");
  }
}

async function watch() {
  let wait = false;
  for (;;) {
    poll = new AbortController();
    try {
      showList(await ask(listPath(wait), { signal: poll.signal }));
      wait = true;
    } catch (error) {
      wait = false;
      if (error.name === "AbortError") continue; // another search or page: ask at once
      byId("state").className = "lost";
      byId("state").textContent = "Server not reachable, trying again";
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

function search(changes) {
  Object.assign(state, changes);
  byId("rows").scrollTop = 0;
  poll?.abort();
}

// One message

function table(pairs) {
  const rows = pairs.map(([name, value]) =>
    element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, String(value))),
  );
  return element("table", {}, element("tbody", {}, ...rows));
}

function parameters(given) {
  return Object.entries(given).map(([name, value]) => (value ? `${name}=${value}` : name)).join(" ");
}

function envelopeTable(message) {
  const envelope = message.envelope;
  return table([
    ["Mailbox", message.mailbox],
    ["Application", envelope.app_id],
    ["MAIL FROM", `<${message.sender}> ${parameters(envelope.mail_parameters)}`],
    ...envelope.recipients.map((one) => ["RCPT TO", `<${one.address}> ${parameters(one.parameters)}`]),
    ["Message-ID", message.message_id],
    ["Its own Message-ID", envelope.original_message_id ?? "none"],
    ["Received", new Date(message.received_at).toLocaleString()],
    ["Reply held back", `${envelope.delay} s`],
    ["Size", `${message.size} octets`],
    ["Longest line", `${envelope.longest_line} octets`],
    ["Bare CR or LF", envelope.has_bare_newlines ? "yes" : "no"],
    ["Session", envelope.session_id],
    ["TLS", `${envelope.tls_version} ${envelope.cipher}`],
    ["CHUNKING", envelope.chunking ? "used" : "not used"],
    ["PIPELINING", envelope.pipelining ? "used" : "not used"],
  ]);
}

async function source(message) {
  const answer = await fetch(`/api/messages/${message.number}/source`);
  const text = await answer.text();
  const shown = element("pre", { tabindex: 0 }, text.slice(0, SHOWN));
  const path = `/api/messages/${message.number}/source`;
  const note = element(
    "p",
    { class: "note" },
    element("a", { href: path, download: `${message.number}.eml` }, "Download"),
    text.length > SHOWN ? " (only the beginning is shown)" : "",
  );
  return element("div", {}, shown, note);
}

function tabs(message) {
  const views = [];
  if (message.html !== null) {
    views.push([
      "HTML",
      () =>
        element("iframe", {
          title: "The message's HTML",
          sandbox: "allow-popups allow-popups-to-escape-sandbox",
          referrerpolicy: "no-referrer",
          src: `/api/messages/${message.number}/html`,
        }),
    ]);
  }
  if (message.text !== null) views.push(["Text", () => element("pre", { tabindex: 0 }, message.text)]);
  views.push(["Headers", () => table(message.headers)]);
  views.push(["Source", () => source(message)]);
  views.push(["Envelope", () => envelopeTable(message)]);
  return views;
}

function files(message) {
  const attached = message.parts.filter((part) => part.is_attachment || part.content_id);
  if (attached.length === 0) return null;
  const links = attached.map((part) =>
    element(
      "li",
      {},
      element(
        "a",
        { href: `/api/messages/${message.number}/parts/${part.index}`, download: part.name ?? "" },
        part.name ?? part.content_type,
        element("small", {}, size(part.size)),
      ),
    ),
  );
  return element("ul", { class: "files", "aria-label": "Attachments" }, ...links);
}

function showMessage(message) {
  const views = tabs(message);
  const panel = element("div", { role: "tabpanel", id: "panel" });
  const buttons = views.map(([name]) =>
    element("button", { type: "button", role: "tab", "aria-controls": "panel" }, name),
  );
  let shown = null;
  async function choose(index) {
    shown = index;
    buttons.forEach((one, at) => {
      one.setAttribute("aria-selected", String(at === index));
      one.tabIndex = at === index ? 0 : -1;
    });
    const view = await views[index][1]();
    if (shown === index) panel.replaceChildren(view);
  }
  function pick(index) {
    state.tab = views[index][0]; // the next message opens with the same view, if it has it
    buttons[index].focus();
    choose(index);
  }
  buttons.forEach((one, index) => {
    one.addEventListener("click", () => pick(index));
    one.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) pick((index + step + views.length) % views.length);
    });
  });
  const field = (name, value) => (value ? [element("dt", {}, name), element("dd", {}, value)] : []);
  byId("message").replaceChildren(
    ...[
      element("h2", {}, message.subject || "(no subject)"),
      element(
        "dl",
        {},
        ...field("From", message.from || message.sender),
        ...field("To", message.to),
        ...field("Recipients", message.recipients.join(", ")),
        ...field("Received", new Date(message.received_at).toLocaleString()),
      ),
      files(message),
      element("div", { role: "tablist", "aria-label": "Views of the message" }, ...buttons),
      panel,
    ].filter((child) => child !== null),
  );
  choose(Math.max(0, views.findIndex(([name]) => name === state.tab)));
}

function hint(text) {
  byId("message").replaceChildren(element("p", { class: "hint" }, text));
}

async function open() {
  const number = Number(location.hash.slice(1)) || null;
  state.chosen = number;
  document.documentElement.dataset.view = number ? "message" : "list";
  markChosen();
  if (number === null) return hint("Choose a message to read it.");
  try {
    const message = await ask(`/api/messages/${number}`);
    if (state.chosen === number) showMessage(message);
  } catch (error) {
    if (state.chosen === number) hint(`Message ${number} cannot be shown: ${error.message}`);
  }
}

// What the page's controls do

let typing = null;
byId("search").addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => search({ query: event.target.value.trim(), offset: 0 }), 200);
});
byId("newer").addEventListener("click", () => search({ offset: Math.max(0, state.offset - PAGE) }));
byId("older").addEventListener("click", () => search({ offset: state.offset + PAGE }));
byId("back").addEventListener("click", () => {
  location.hash = "";
});
byId("clear").addEventListener("click", async () => {
  if (!confirm("Delete all messages from the inbox?")) return;
  await ask("/api/messages", { method: "DELETE" });
  location.hash = "";
  search({ offset: 0 });
});
addEventListener("hashchange", open);

open();
watch();
