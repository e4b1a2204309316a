"""
A backend or an embedder is one folder, one registry line, one conformance factory; or a package of its own.

Both are shown with those of `tests/data/parts`: patched into a copy of the tree, and installed beside it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Vragd, until
from tests.parts import PARTS, install
from vragd.client import Client
from vragd.terms.backends import REGISTRY

ROOT = Path(__file__).parents[2]
NOTES = {"bread.md": "knead the dough, let it rise\n", "bikes.md": "oil the chain of the bicycle\n"}
STORE = {"embedder": {"type": "hashed", "dimension": 128}, "backend": {"type": "rowfile"}}


class There(Vragd):
    """A home whose vragd is imported from elsewhere: always a process of its own."""

    def __init__(self, home: Path, *places: Path) -> None:
        self._places = os.pathsep.join(map(str, places))
        super().__init__(home)
        store = {"sources": [{"path": str(self.vault)}], **STORE}
        self.configure(stores={"notes": store})
        for name, text in NOTES.items():
            (self.vault / name).write_text(text)

    @property
    def env(self) -> dict[str, str]:
        return super().env | {"PYTHONPATH": self._places}

    def python(self, *args: str, cwd: Path) -> str:
        """What a Python command prints; it must end well."""
        done = subprocess.run(
            [sys.executable, *args], env=self.env, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def serve(self) -> Client:
        """A daemon that has indexed the notes."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "vragd", "run"], env=self.env, stderr=log)
        until(self.answers, "the daemon to answer")
        self.settle()
        return self.client


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    """
    A copy of the tree with the two folders and a line for each in the registries, and in the factories.

    What was compiled comes along: a copied file has the time that it was compiled for.
    """
    tree = tmp_path / "tree"
    heavy = shutil.ignore_patterns("minilm", "vaults", "soak", "faults")
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=heavy)
    shutil.copy(ROOT / "pyproject.toml", tree)
    (tree / "src/vragd/embed/builtin/minilm").symlink_to(ROOT / "src/vragd/embed/builtin/minilm")
    for part, room, table in (("rowfile", "backends", "backends"), ("hashed", "embed", "embedders")):
        shutil.copytree(PARTS / part, tree / "src/vragd" / room / part)
        add_line(tree / f"src/vragd/terms/{table}.py", "REGISTRY", f'"{part}": "vragd.{room}.{part}",')
    add_line(tree / "tests/conformance/factories.py", "FACTORIES", '"rowfile": local("rowfile"),')
    add_line(tree / "tests/conformance/embedders.py", "FACTORIES", '"hashed": local("hashed"),')
    return tree


def add_line(file: Path, table: str, line: str) -> None:
    text, n = re.subn(rf"(?m)^({table}\b.*\{{)$", rf"\1\n    {line}", file.read_text("utf-8"))
    assert n == 1
    file.write_text(text, "utf-8")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH with the two as a package that registers them: what pip would make of it."""
    return install(tmp_path / "site", "vragd-parts", {"vragd.backends": "rowfile", "vragd.embedders": "hashed"})


@pytest.fixture
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[There]:
    if request.param == "patched":
        tree = request.getfixturevalue("patched")
        instance = There(tmp_path / "home", tree / "src", tree)
    else:
        instance = There(tmp_path / "home", request.getfixturevalue("installed"), ROOT / "src", ROOT)
    yield instance
    instance.kill()


@pytest.mark.parametrize("there", ["patched", "installed"], indirect=True)
def test_it_is_configured_described_indexed_and_asked(there: There) -> None:
    checked = there.run("config", "check")
    assert (checked.returncode, checked.stdout) == (0, f"{there.config_file}: fine\n"), checked.stderr
    assert checked.stderr == ""
    client = there.serve()
    schemas = client.request("GET", "/openapi.json")["components"]["schemas"]
    backend, embedder = (schemas["StoreRequest"]["properties"][key] for key in ("backend", "embedder"))
    assert backend["discriminator"]["mapping"]["rowfile"] == "#/components/schemas/RowfileBackend"
    assert embedder["discriminator"]["mapping"]["hashed"] == "#/components/schemas/HashedEmbedder"
    assert set(schemas["RowfileBackend"]["properties"]) == {"type", "sync"}
    assert there.paths("dough", mode="vector")[0] == "bread.md"
    assert "bikes.md" in there.run("query", "chain").stdout
    assert list((there.data / "stores/notes/index").glob("*.rowfile"))
    assert there.problems() == []
    # one made by a command remembers all of its settings
    shown = there.run("config", "show").stdout
    assert "dimension: 128" in shown
    assert "sync: true" in shown
    body = {"name": "made", **STORE, "backend": {"type": "rowfile", "sync": False}}
    client.request("POST", "/v1/stores", body, timeout_s=60)
    assert '"sync": false' in (there.data / "stores/made/store.json").read_text()
    assert there.stop() == 0
    client = there.serve()
    made = client.request("GET", "/v1/stores/made")
    assert (made["backend"], made["embedder"]["dimension"]) == ({"type": "rowfile", "sync": False}, 128)
    assert there.paths("dough", stores=["notes"], mode="vector")[0] == "bread.md"
    assert there.stop() == 0


@pytest.mark.parametrize("there", ["patched"], indirect=True)
def test_it_keeps_the_contract_and_the_house(there: There, patched: Path) -> None:
    where = there.python("-c", "import vragd.backends.rowfile as it; print(it.__file__)", cwd=patched)
    assert where.strip() == str(patched / "src/vragd/backends/rowfile/__init__.py")
    linted = there.python("-c", "from importlinter.cli import lint_imports_command as it; it()", cwd=patched)
    assert "imports point one way KEPT" in linted
    told = there.python(
        "-m", "pytest", "-v", "-n", "0", "-p", "no:cacheprovider", "--backend", "rowfile",
        "-k", "rowfile-check or registered or hashed or test_types",
        "tests/conformance/test_backends.py", "tests/conformance/test_embedders.py", "tests/unit/project/test_types.py",
        cwd=patched,
    )  # fmt: skip
    passed = Counter(re.findall(r"^tests/\S+/(test_\w+\.py::test_\w+).* PASSED", told, re.M))
    assert passed["test_backends.py::test_contract"] > 40, told
    assert passed["test_backends.py::test_every_registered_backend_is_under_test"] == 1, told
    assert any(test.startswith("test_embedders.py") for test in passed), told
    assert any(test.startswith("test_types.py") for test in passed), told


# -- packages that cannot be used ---------------------------------------------------------------------


def check(home: Path, *places: Path, backend: str = "rowfile") -> subprocess.CompletedProcess[str]:
    """`vragd config check` of a store with this backend."""
    it = There(home, *places, ROOT / "src")
    it.configure(stores={"notes": {"backend": {"type": backend}}})
    return it.run("config", "check")


def test_a_package_that_cannot_be_imported_is_told_with_line_package_and_reason(tmp_path: Path) -> None:
    site = install(tmp_path / "site", "vragd-parts", {"vragd.backends": "rowfile"})
    (site / "vragd_parts/rowfile/settings.py").write_text("raise RuntimeError('no {braces} today')\n")
    done = check(tmp_path / "home", site)
    assert done.returncode == 2
    assert (
        "config.yaml:3: stores.notes.backend: backend type 'rowfile' of the package vragd-parts cannot be"
        in done.stderr
    )
    assert "RuntimeError: no {braces} today" in done.stderr
    # whoever does not use it is told, and goes on
    done = check(tmp_path / "home", site, backend="faiss")
    assert (done.returncode, "note: backend type 'rowfile'" in done.stderr) == (0, True), done.stderr


def test_a_backend_that_cannot_be_imported_is_told_by_the_check(tmp_path: Path) -> None:
    site = install(tmp_path / "site", "vragd-parts", {"vragd.backends": "rowfile"})
    (site / "vragd_parts/rowfile/backend.py").write_text("import no_such_module\n")
    done = check(tmp_path / "home", site)
    assert done.returncode == 2
    assert "ModuleNotFoundError: No module named 'no_such_module'" in done.stderr
    assert "vragd-parts" in done.stderr


def test_a_package_cannot_take_the_name_of_ours(tmp_path: Path) -> None:
    site = install(tmp_path / "site", "vragd-parts", {"vragd.backends": "faiss", "vragd.embedders": "builtin"})
    done = check(tmp_path / "home", site, backend="faiss")
    assert done.returncode == 0
    assert "note: backend type 'faiss' is vragd's own: what vragd-parts registers is not used" in done.stderr
    assert "note: embedder type 'builtin' is vragd's own" in done.stderr


def test_two_packages_cannot_share_a_name(tmp_path: Path) -> None:
    one = install(tmp_path / "one", "vragd-parts", {"vragd.backends": "rowfile"})
    two = install(tmp_path / "two", "other-parts", {"vragd.backends": "rowfile"})
    done = check(tmp_path / "home", one, two)
    assert done.returncode == 2
    assert "registered by other-parts and by vragd-parts" in done.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("Settings = 3\n", "has no class Settings"),
        ("class Settings:\n    pass\n", "have no field type: Literal['rowfile']"),
        (
            "from typing import Literal\nfrom pydantic import BaseModel\n"
            "class Settings(BaseModel):\n    type: Literal['rowfile']\n",
            "is no BackendSettings",
        ),
        (
            "from vragd.backends.settings import BackendSettings\nclass Settings(BackendSettings):\n    x: int = 1\n",
            "have no field type: Literal['rowfile']",
        ),
    ],
)
def test_settings_that_are_none_are_told(settings: str, told: str, tmp_path: Path) -> None:
    site = install(tmp_path / "site", "vragd-parts", {"vragd.backends": "rowfile"})
    (site / "vragd_parts/rowfile/settings.py").write_text(settings)
    done = check(tmp_path / "home", site)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def test_a_mistake_in_the_settings_of_a_package_is_told_like_any_other(installed: Path, tmp_path: Path) -> None:
    it = There(tmp_path / "home", installed, ROOT / "src")
    it.configure(stores={"notes": {"backend": {"type": "rowfile", "sinc": True}}})
    told = it.run("config", "check").stderr
    assert "config.yaml:4: unknown key 'stores.notes.backend.sinc'; did you mean 'sync'?" in told
    it.configure(stores={"notes": {"backend": {"type": "jsnol"}}})
    told = it.run("config", "check").stderr
    assert "unknown backend type 'jsnol'" in told
    assert ", ".join((*sorted(REGISTRY), "rowfile")) in told
