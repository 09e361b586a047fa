"""How the code hangs together: imports point one way, and a few other rules of the house."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

# From the bottom up. A module may import its own subject and what stands in a line below; two
# subjects of one line know nothing of each other. The longest name that fits is a module's place.
LAYERS = (
    {"errors", "setting_values", "findings"},
    {"guard.policy", "guard.rules"},
    {"limit_settings"},
    {"returned_mail_settings"},
    {"feedback_settings"},
    {"lint_settings"},
    {"guard_settings"},
    {"link_settings"},
    {"unsubscribe_settings"},
    {"content_settings"},
    {"delivery_test_settings"},
    {"doctor_settings"},
    {"caller_settings"},
    {"settings", "problems", "concurrency", "events", "remote"},
    {"messages.fields", "messages.event", "messages.model"},
    {"messages.parsing", "messages.identity", "messages.record"},
    {"calendar", "pages", "callers"},
    {"storage", "accounts", "composing", "guard", "returned"},
    {"templates"},
    {"quota", "suppression", "inbox", "lint"},
    {"attachments", "preferences"},
    {"unsubscribing"},
    {"messages"},  # the rest of it: contents, ledger, timeline, acceptance
    {"links"},
    {"preparation"},
    {"erasure"},
    {"delivery"},
    {"feedback"},
    {"digests", "currency"},
    {"doctor", "delivery_tests"},
    {"api"},
    {"application"},
    {"feedback.__main__", "doctor.__main__"},
)

# What the local stack may know of the app: names that both sides must spell alike.
SHARED_NAMES_IN_LOCAL = {
    "shared.storage.names": {"CONTAINERS", "QUEUES", "TABLES"},
}

NO_SUBJECTS = {"common", "helper", "helpers", "manager", "managers", "misc", "service", "services"}
NO_SUBJECTS |= {"util", "utils"}
LONGEST_MODULE = 400  # lines


def modules(*folders: str) -> Iterator[tuple[str, Path]]:
    """The modules in folders of the repository, by dotted name."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "node_modules" not in path.parts:
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield ".".join(part for part in parts if part != "__init__"), path


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Every import, inside functions too, as (module, name); name "" for a plain import."""
    package = ".".join(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                module = ".".join([*parents, module]).rstrip(".")
            yield from ((module, alias.name) for alias in node.names)


def place(module: str) -> tuple[int, str]:
    """The layer and the subject of a module of shared/."""
    name = module.removeprefix("shared.")
    while name:
        for level, layer in enumerate(LAYERS):
            if name in layer:
                return level, name.partition(".")[0]
        name = name.rpartition(".")[0]
    raise AssertionError(f"{module} has no place in LAYERS: decide where it belongs")


def refused(module: str, imported: str) -> bool:
    """Whether an import of shared/ by shared/ points up, or aside to another subject."""
    (level, subject), (other_level, other_subject) = place(module), place(imported)
    if other_level == level:
        return subject != other_subject
    return other_level > level


def imported_modules(path: Path) -> Iterator[str]:
    """The modules of shared/ that a module imports; `from shared import errors` counts too."""
    for module, name in imports(path):
        if module == "shared":
            yield f"shared.{name}"
        elif module.startswith("shared."):
            submodule = ROOT / f"{module.replace('.', '/')}/{name}.py"
            yield f"{module}.{name}" if submodule.exists() else module


def test_imports_point_one_way() -> None:
    wrong = [
        f"{module} imports {imported}, which LAYERS puts above or beside it"
        for module, path in modules("shared")
        for imported in imported_modules(path)
        if refused(module, imported)
    ]
    assert wrong == []


def test_the_rule_of_layers_can_be_broken() -> None:
    assert refused("shared.errors", "shared.settings")  # up
    assert refused("shared.messages.model", "shared.messages.ledger")  # up, within a subject
    assert refused("shared.storage.tables", "shared.accounts.tokens")  # aside
    assert not refused("shared.messages.acceptance", "shared.composing")
    assert not refused("shared.delivery.delivery", "shared.delivery.pool")


STRANGERS = ("azure.functions", "azure_functions_runtime", "local", "tests", "function_app")


def is_stranger(imported: str, name: str) -> bool:
    """Whether `from imported import name` (or, without a name, `import imported`) is of a host."""
    return f"{imported}.{name}.".startswith(tuple(f"{stranger}." for stranger in STRANGERS))


def test_the_core_knows_no_host() -> None:
    wrong = [
        f"{module} imports {name or imported} of {imported}"
        for module, path in modules("shared")
        for imported, name in imports(path)
        if is_stranger(imported, name)
    ]
    assert wrong == []


def test_the_rule_of_strangers_can_be_broken() -> None:
    assert is_stranger("azure", "functions")
    assert is_stranger("azure.functions", "")
    assert is_stranger("local.stack", "LocalStack")
    assert not is_stranger("azure.storage.queue", "QueueClient")
    assert not is_stranger("locale", "")


def test_only_the_settings_read_the_environment() -> None:
    readers = set()
    for module, path in modules("shared"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(attr="environ" | "environb" | "getenv" | "putenv"):
                    readers.add(module)
                case ast.ImportFrom(module="os", names=names) if {a.name for a in names} & {
                    "environ", "environb", "getenv", "putenv",
                }:  # fmt: skip
                    readers.add(module)
    assert readers == {"shared.settings"}


def test_the_function_app_is_a_table_of_contents() -> None:
    """It imports Azure Functions and the core, and each trigger is one call of it."""
    path = ROOT / "function_app.py"
    roots = {module.partition(".")[0] for module, _ in imports(path)}
    assert roots == {"azure", "collections", "functools", "shared", "typing"}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AsyncFunctionDef) and node.decorator_list:
            assert len(node.body) == 1, f"{node.name} does more than one thing"


def test_the_local_stack_knows_little_of_the_core() -> None:
    known: dict[str, set[str]] = {}
    for module, path in modules("local"):
        for imported, name in imports(path):
            if imported == "shared" or imported.startswith("shared."):
                assert name, f"{module}: import names, not the module {imported}"
                known.setdefault(imported, set()).add(name)
    assert known == SHARED_NAMES_IN_LOCAL


def test_modules_are_short_and_named_after_their_subject() -> None:
    code = [
        ("function_app", ROOT / "function_app.py"),
        *modules("shared", "local", "bench", "make"),
    ]
    assert len(code) > 50
    lengths = {module: len(path.read_text("utf-8").splitlines()) for module, path in code}
    long = {module: lines for module, lines in lengths.items() if lines > LONGEST_MODULE}
    # The table of contents, and what joins all parts: as long as what they list.
    assert set(long) <= {"function_app", "shared.application"}
    assert [module for module in lengths if NO_SUBJECTS & set(module.split("."))] == []
