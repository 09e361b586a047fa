"""Writes what follows from the code into the documents: `docs/settings.md`,
`local.settings.example.json`, the rules in `docs/guard.md` and `docs/lint.md`, the checks in
`docs/doctor.md`, and the refusals in `docs/troubleshooting.md`. With `--check` it writes nothing
and fails if anything would change.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from shared.accounts.aadsts import CAUSES  # noqa: E402 (the path comes first)
from shared.delivery.replies import RULES as REPLIES  # noqa: E402 (the path comes first)
from shared.delivery.replies import Meaning  # noqa: E402 (the path comes first)
from shared.delivery.replies import Rule as ReplyRule  # noqa: E402
from shared.doctor.examination import CHECKS  # noqa: E402 (the path comes first)
from shared.guard.rules import RULES  # noqa: E402 (the path comes first)
from shared.lint import Rule, load_rules  # noqa: E402 (the path comes first)
from shared.setting_values import SettingInfo  # noqa: E402
from shared.settings import describe_settings  # noqa: E402 (the path comes first)

CHECKS_BEGIN, CHECKS_END = "<!-- checks: made by `make docs` -->", "<!-- end of checks -->"
RULES_BEGIN, RULES_END = "<!-- rules: made by `make docs` -->", "<!-- end of rules -->"
CAUSES_BEGIN, CAUSES_END = "<!-- causes: made by `make docs` -->", "<!-- end of causes -->"
REPLIES_BEGIN, REPLIES_END = "<!-- replies: made by `make docs` -->", "<!-- end of replies -->"
BEGIN, END = "<!-- settings: made by `make docs` -->", "<!-- end of settings -->"

# A set-up that starts: the values that have no default, for a real tenant.
EXAMPLES = {
    "MAILROOM_SENDERS": '["billing@contoso.com"]',
    "MAILROOM_TENANT_ID": "11111111-1111-1111-1111-111111111111",
    "MAILROOM_CLIENT_ID": "22222222-2222-2222-2222-222222222222",
    "MAILROOM_CREDENTIAL": "secret",
    "MAILROOM_KEY_VAULT_URL": "https://contoso-mailroom.vault.azure.net",
    "MAILROOM_IDENTITY": "developer",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


def settings_table() -> str:
    """A Markdown table with a row for each setting."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    rows += [f"| `{s.name}` | {_default(s)} | {s.doc} |" for s in describe_settings()]
    return "\n".join(rows)


def _default(setting: SettingInfo) -> str:
    if setting.default is None:
        return "*must be given*"
    return f"`{setting.default}`" if setting.default else "–"


def example_settings() -> str:
    """`local.settings.json` for Core Tools: every setting, its default or an example."""
    values = {"FUNCTIONS_WORKER_RUNTIME": "python"}
    values |= {s.name: EXAMPLES.get(s.name, s.default or "") for s in describe_settings()}
    return json.dumps({"IsEncrypted": False, "Values": values}, indent=2) + "\n"


def lint_rules() -> str:
    """A Markdown table of all rules of lint, and what stands behind each."""
    rules = load_rules().values()
    rows = ["| rule | finds | severity | action |", "|---|---|---|---|"]
    rows += [
        f"| [`{rule.id}`](#{rule.id}) | {rule.title} | {rule.severity} | {rule.action} |"
        for rule in rules
    ]
    return "\n".join(rows) + "\n\n" + "\n".join(_lint_rule(rule) for rule in rules)


def _lint_rule(rule: Rule) -> str:
    return (
        f"### {rule.id}\n\n{rule.title}. {rule.why}\n\n"
        f"*What to do:* {rule.fix}\n\n*Source:* {rule.source}.\n"
    )


def doctor_checks() -> str:
    """A Markdown table of what the doctor looks at."""
    rows = ["| check | looks at |", "|---|---|"]
    for check in CHECKS:
        name = check.__name__.removeprefix("check_").replace("_", "-")
        rows.append(f"| `{name}` | {' '.join((check.__doc__ or '').split())} |")
    return "\n".join(rows)


ACTIONS = {
    "done": "accepted",
    "retry": "tried again later",
    "fail": "fails",
    "credentials": "a fresh token, once; then it waits",
}


def replies() -> str:
    """A Markdown table of the replies that the submission server may give."""
    rows = ["| reply | speaks of | what Mailroom does | fix |", "|---|---|---|---|"]
    rows += [
        f"| {_reply(rule)} | {rule.meaning.scope} | {_action(rule.meaning)}"
        f"{', and the address is suppressed' * rule.meaning.dead} | {rule.meaning.fix or '–'} |"
        for rule in REPLIES
    ]
    return "\n".join(rows)


def _action(meaning: Meaning) -> str:
    """As `shared/delivery/outcome.py` has it: what is no fault of the message waits."""
    if meaning.action == "fail" and meaning.scope in {"mailbox", "tenant"}:
        return f"waits until its deadline; the {meaning.scope} is set aside"
    return ACTIONS[meaning.action]


def _reply(rule: ReplyRule) -> str:
    code = rule.codes.replace(".", "x")
    pattern = f"{code} {rule.enhanced}".strip().replace("\\.", ".").replace("\\d+", "x")
    said = f", with “{rule.text}”" if rule.text else ""
    return f"`{pattern}`{said}".replace("|", "\\|")


def causes() -> str:
    """A Markdown table of Entra ID's error codes."""
    rows = ["| code | means | fix |", "|---|---|---|"]
    rows += [
        f"| `AADSTS{number}` | {cause.detail} | {cause.fix} |"
        for number, cause in sorted(CAUSES.items())
    ]
    return "\n".join(rows)


def guard_rules() -> str:
    """A Markdown table of all rules of the guard."""
    rows = [
        "| rule | group | looks for | default | why, and what to do instead |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| `{r.name}` | `{r.group}` | {r.what} | `{r.default}`"
        f"{' (by setting)' * r.setting_only} | {r.reason}. {r.fix} |"
        for r in RULES
    ]
    return "\n".join(rows)


def documents() -> dict[Path, str]:
    """The documents as they should be."""
    docs = ROOT / "docs"
    settings, guard, lint = docs / "settings.md", docs / "guard.md", docs / "lint.md"
    doctor, trouble = docs / "doctor.md", docs / "troubleshooting.md"
    return {
        settings: between(settings, BEGIN, settings_table(), END),
        guard: between(guard, RULES_BEGIN, guard_rules(), RULES_END),
        lint: between(lint, RULES_BEGIN, lint_rules(), RULES_END),
        doctor: between(doctor, CHECKS_BEGIN, doctor_checks(), CHECKS_END),
        trouble: between(
            trouble,
            CAUSES_BEGIN,
            causes(),
            CAUSES_END,
            text=between(trouble, REPLIES_BEGIN, replies(), REPLIES_END),
        ),
        ROOT / "local.settings.example.json": example_settings(),
    }


def between(path: Path, begin: str, made: str, end: str, *, text: str = "") -> str:
    """The document, or its `text` so far, with what was made between its two marks."""
    before, _, rest = (text or path.read_text(encoding="utf-8")).partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{made}\n{end}{after}"


def main() -> int:
    stale = [
        path for path, text in documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]  # fmt: skip
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.name} does not fit the code: run make docs", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(documents()[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
