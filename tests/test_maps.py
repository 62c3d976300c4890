"""The maps that the docs draw are true: of the modules in the order of their imports, the API, the tests."""

import ast
import re
from pathlib import Path

import pytest

import skscratch

ROOT = Path(__file__).parents[1]
PACKAGE, TESTS = ROOT / "skscratch", ROOT / "tests"


def section(document, heading):
    """Return what stands between a heading, underlined or after "## ", and the next one."""
    text = (ROOT / document).read_text(encoding="utf-8")
    pattern = rf"^(?:{heading}\n-+|## {heading})\n(.*?)(?=^[^\n]+\n-{{4,}}\n|^## |\Z)"
    return re.search(pattern, text, re.MULTILINE | re.DOTALL)[1]


# One row of the table for each module.
IN_ORDER = re.findall(
    r"^``(\w+)\.py``", section("docs/reading_guide.rst", "The files, in order"), re.MULTILINE
)
MODULES = sorted({path.stem for path in PACKAGE.glob("*.py")} - {"__init__"})


def imported_by(module):
    """Return the modules of this package that a module imports, wherever in it."""
    imported = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            name = "skscratch." * node.level + (node.module or "")
            imported |= {name, *(f"{name.rstrip('.')}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    return {other for other in MODULES if f"skscratch.{other}" in imported}


def test_the_reading_guide_lists_every_module_once():
    assert sorted(IN_ORDER) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_modules_above_it_in_the_reading_guide(module):
    assert imported_by(module) <= set(IN_ORDER[: IN_ORDER.index(module)])


def test_imports_are_seen_in_every_form():
    assert imported_by("training") >= {"batches", "objective", "optimizers"}
    assert "classifier" in imported_by("parallel")


def test_the_api_page_lists_every_public_name():
    page = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    assert set(skscratch.__all__) <= set(re.findall(r"^   (\w+)$", page, re.MULTILINE))


def test_the_map_of_tests_names_every_file_of_tests_and_every_module():
    rows = re.findall(
        r"^\| (.*?) \| (.*?) \|$", section("CONTRIBUTING.md", "Where the tests are"), re.MULTILINE
    )
    files = {name for _, cell in rows for name in re.findall(r"`(test_\w+\.py)`", cell)}
    assert files == {path.name for path in TESTS.glob("test_*.py")}
    modules = {name for cell, _ in rows for name in re.findall(r"`(\w+)\.py`", cell)}
    assert modules == set(MODULES)
