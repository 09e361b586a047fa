// The page of templates: what is there, what a mail made of it looks like, and which one counts.

import { ask, credentials, Refusal } from "./mailroom.js";
import { line, place } from "./places.js";
import { dress } from "./schemes.js";

const $ = (id) => document.getElementById(id);
const PAUSE = 350; // ms after the last key before the preview follows

let template = null; // as the API shows it, with the files of the version that is looked at
let etag = "";
let shown = null; // the preview
let asked = 0; // previews asked for: only the last one is shown
let timer = 0;

/** An element with text or children; what comes from the API is text, never markup. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function say(text) {
  $("status").textContent = text;
}

/** Does something and says why it could not. */
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401 || error.status === 403) signIn(error.message);
    else say(error.message);
    return undefined;
  }
}

const path = (...steps) => ["templates", ...steps.map(encodeURIComponent)].join("/");

// Signing in

function signIn(reason = "") {
  credentials.forget();
  $("sign-in").hidden = false;
  $("desk").hidden = true;
  $("forget").hidden = true;
  $("key-error").textContent = reason;
  $("author").value = credentials.author;
  $("key").value = "";
  $("key").focus();
  say("");
}

async function open() {
  const found = await attempt(listAll);
  if (!found) return;
  $("sign-in").hidden = true;
  $("desk").hidden = false;
  $("forget").hidden = false;
  showList(found);
  const wanted = decodeURIComponent(location.hash.slice(1));
  const first = found.find((one) => one.name === wanted) ?? found[0];
  if (first) await choose(first.name);
}

// The list

async function listAll() {
  const found = [];
  for (let cursor = ""; cursor !== null; ) {
    const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    const { value } = await ask("GET", `templates?limit=200${query}`);
    found.push(...value.templates);
    cursor = value.cursor;
  }
  return found;
}

function describe(one) {
  const parts = [];
  if (one.draft) parts.push(`draft ${one.draft}`);
  if (one.published) parts.push(`published ${one.published}`);
  return parts.join(", ");
}

function showList(found) {
  $("none").hidden = found.length > 0;
  $("list").replaceChildren(...found.map((one) => {
    const button = make("button", { type: "button" }, one.name, make("small", {}, describe(one)));
    button.dataset.name = one.name;
    button.addEventListener("click", () => choose(one.name, true));
    return make("li", {}, button);
  }));
  mark();
}

function mark() {
  for (const button of $("list").querySelectorAll("button")) {
    if (button.dataset.name === template?.name) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

// One template

async function choose(name, focus = false) {
  await attempt(async () => {
    await load(name, "");
    history.replaceState(null, "", `#${encodeURIComponent(name)}`);
    resetData();
    $("template").hidden = false;
    if (focus) $("name").focus();
    await preview();
  });
}

async function load(name, version) {
  const query = version ? `?version=${encodeURIComponent(version)}` : "";
  const answer = await ask("GET", path(name) + query);
  const versions = await ask("GET", `${path(name, "versions")}?limit=100`);
  template = answer.value;
  etag = answer.etag;
  $("name").textContent = template.name;
  const definition = read("template.json");
  const about = [definition.description, definition.category, definition.topic];
  $("facts").textContent = about.filter(Boolean).join(" · ");
  showVersions(versions.value.versions);
  showFiles();
  showLog();
  const languages = definition.languages ?? ["en"];
  const before = $("language").value;
  options($("language"), languages.map((tag) => [tag, tag]));
  $("language").value = languages.includes(before) ? before : definition.default_language ?? languages[0];
  $("publish").disabled = !template.draft;
  $("roll-back").disabled = !template.previous;
  mark();
}

function read(file) {
  try {
    return JSON.parse(template.files[file] ?? "{}");
  } catch {
    return {};
  }
}

function options(select, pairs) {
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value }, text)));
}

/** Whether a version is the draft, or the published one; the packaged one's name tells its digest. */
function is(role, version) {
  const name = template[role];
  return name === version || (name === "stock" && version.startsWith("stock-"));
}

function showVersions(versions) {
  const names = versions.map((one) => one.version);
  const all = names.includes(template.version) ? versions : [template, ...versions];
  const pairs = all.map(({ version, note }) => {
    const roles = ["draft", "published", "previous"].filter((role) => is(role, version));
    return [version, [version, roles.join(", "), note].filter(Boolean).join(" – ")];
  });
  options($("version"), pairs);
  options($("compare"), pairs);
  $("version").value = template.version;
  $("compare").value = pairs.find(([version]) => is("published", version))?.[0] ?? template.version;
}

function showFiles() {
  const before = $("file").value;
  options($("file"), Object.keys(template.files).map((name) => [name, name]));
  if (before in template.files) $("file").value = before;
  $("file-text").textContent = template.files[$("file").value] ?? "";
}

function showLog() {
  $("log").replaceChildren(...template.log.map((change) => make(
    "li", {}, `${new Date(change.at).toLocaleString()}: ${change.what} ${change.version} ${change.who ? `(${change.who})` : ""}`,
  )));
}

async function move(step, done) {
  await attempt(async () => {
    const name = template.name;
    await ask("POST", path(name, step), {}, etag ? { "If-Match": etag } : {});
    await load(name, "published");
    showList(await listAll());
    await preview();
    say(`${done} ${template.published}.`);
  });
}

async function compare() {
  await attempt(async () => {
    const query = new URLSearchParams({ from: $("compare").value, to: template.version });
    const { value } = await ask("GET", `${path(template.name, "diff")}?${query}`);
    const lines = value.files.flatMap((file) => file.diff.split("\n"));
    const kind = (text) => (text[0] === "+" ? "added" : text[0] === "-" ? "removed" : "");
    $("diff").replaceChildren(...lines.map((text) => make("span", { className: kind(text) }, text || " ")));
    if (!value.files.length) $("diff").textContent = "The two versions are alike.";
  });
}

// The preview

function resetData() {
  $("data").value = JSON.stringify(read("sample.json"), null, 2);
  showProblems([]);
}

function data() {
  try {
    return JSON.parse($("data").value);
  } catch (error) {
    const position = /position (\d+)/.exec(error.message);
    showProblems([{ pointer: "", detail: `It is no JSON: ${error.message}.`, at: Number(position?.[1] ?? 0) }]);
    return undefined;
  }
}

async function preview() {
  clearTimeout(timer);
  const sample = data();
  if (sample === undefined) return;
  asked += 1;
  const mine = asked;
  const request = { data: sample, language: $("language").value, version: template.version };
  if ($("zone").value.trim()) request.time_zone = $("zone").value.trim();
  try {
    const { value } = await ask("POST", path(template.name, "preview"), request);
    if (mine === asked) show(value);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401 || error.status === 403) signIn(error.message);
    else if (mine === asked) {
      const general = [{ pointer: "", detail: error.message }];
      showProblems(error.errors.length ? error.errors : general);
      say("The preview is the one before.");
    }
  }
}

function show(value) {
  shown = value;
  showProblems([]);
  say("");
  $("subject").textContent = value.subject;
  const size = (value.html_bytes / 1024).toFixed(1);
  $("measure").textContent = `Version ${value.version}, ${value.language}, HTML ${size} KB`;
  $("view-text").textContent = value.text;
  $("view-source").textContent = value.html;
  paint();
  showFindings(value.findings);
}

/** The mail in its frame: without scripts there, under the frame's own policy. */
function paint() {
  const inside = $("frame").contentDocument;
  if (!shown || !inside) return;
  inside.open();
  inside.write(shown.html);
  inside.close();
  dress(inside, $("frame").dataset.scheme);
  fit();
}

function fit() {
  const root = $("frame").contentDocument?.documentElement;
  if (!root) return;
  $("frame").style.height = "0";
  $("frame").style.height = `${Math.max(root.scrollHeight, 240)}px`;
}

function showFindings(findings) {
  $("tab-findings").textContent = `Findings (${findings.length})`;
  const articles = findings.map((one) => make(
    "article", {},
    make("h4", {}, `${one.severity}: ${one.rule}`),
    make("p", {}, one.why), make("p", {}, one.fix),
    make("p", { className: "quiet" }, one.where),
  ));
  $("view-findings").replaceChildren(...(articles.length ? articles : [make("p", {}, "Lint has found nothing.")]));
}

/** Problems with the data, each a button that leads to its place in the text. */
function showProblems(problems) {
  const text = $("data").value;
  $("data").setAttribute("aria-invalid", String(problems.length > 0));
  $("problems").replaceChildren(...problems.map((problem) => {
    const pointer = problem.pointer ?? "";
    const [start, end] = problem.at === undefined ? place(text, pointer) : [problem.at, problem.at + 1];
    const where = `Line ${line(text, start)}${pointer ? `, ${pointer}` : ""}: `;
    const button = make("button", { type: "button" }, where + [problem.detail, problem.fix].filter(Boolean).join(" "));
    button.addEventListener("click", () => {
      $("data").focus();
      $("data").setSelectionRange(start, end);
    });
    return make("li", {}, button);
  }));
}

// The test mail: the published version by its name, any other as it is shown

async function send() {
  const to = [{ email: $("address").value.trim() }];
  const message = { from: { email: shown.sender }, to, tags: { test: template.name } };
  if (is("published", shown.version)) {
    const use = { name: template.name, data: data(), language: $("language").value };
    if ($("zone").value.trim()) use.time_zone = $("zone").value.trim();
    message.template = use;
  } else {
    Object.assign(message, { subject: shown.subject, html: shown.html, text: shown.text });
  }
  $("sent").textContent = "Sending …";
  try {
    const { value } = await ask("POST", "messages", message, { "Idempotency-Key": crypto.randomUUID() });
    $("sent").textContent = `Accepted as ${value.id}.`;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const details = error.errors.map((one) => [one.pointer, one.detail, one.fix].filter(Boolean).join(" "));
    $("sent").textContent = [error.message, ...details].join(" ");
  }
}

// Tabs, by the keys that tabs have (WAI-ARIA Authoring Practices)

const tabs = [...document.querySelectorAll("[role=tab]")];

function selectTab(tab) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
    $(one.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (tab.id === "tab-html") fit();
  if (tab.id === "tab-changes") compare();
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => selectTab(tab));
  tab.addEventListener("keydown", (event) => {
    const next = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const other = tabs[(next + tabs.length) % tabs.length];
    selectTab(other);
    other.focus();
  });
}

// What people do

function on(id, kind, act) {
  $(id).addEventListener(kind, (event) => {
    if (kind === "submit") event.preventDefault();
    act(event);
  });
}

on("sign-in", "submit", () => {
  credentials.keep($("key").value.trim(), $("author").value.trim());
  open();
});
on("forget", "click", () => signIn());
on("version", "change", () => attempt(async () => {
  await load(template.name, $("version").value);
  await preview();
}));
on("publish", "click", () => move("publish", "Published: version"));
on("roll-back", "click", () => move("rollback", "Rolled back: published is version"));
on("compare", "change", compare);
on("file", "change", () => { $("file-text").textContent = template.files[$("file").value]; });
on("input", "submit", preview);
on("data", "input", () => { clearTimeout(timer); timer = setTimeout(preview, PAUSE); });
on("language", "change", preview);
on("zone", "change", preview);
on("reset", "click", () => { resetData(); preview(); });
on("send", "submit", send);
on("frame", "load", paint);
for (const name of ["width", "scheme"]) {
  for (const choice of document.querySelectorAll(`[name=${name}]`)) {
    choice.addEventListener("change", () => { $("frame").dataset[name] = choice.value; paint(); });
  }
}
$("zones").replaceChildren(...Intl.supportedValuesOf("timeZone").map((value) => make("option", { value })));

if (credentials.key) open();
else signIn();
