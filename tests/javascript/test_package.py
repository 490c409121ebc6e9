"""The npm package: what is in it, and what compilers make of its types."""

import json
import re
import subprocess
import tomllib

from tests.javascript.conftest import Workspace
from tests.javascript.npm import CLIENT, HERE, NODE, ROOT

COMPILER = {
    "strict": True,
    "noEmit": True,
    "noUncheckedIndexedAccess": True,
    "exactOptionalPropertyTypes": True,
    "target": "es2024",
    "module": "nodenext",
    "lib": ["es2024", "dom", "dom.iterable", "dom.asynciterable"],
    "types": ["react"],
}
#: The server's pages are made of them, and of nobody else's.
NOT_PUBLISHED = {
    "api-docs",
    "node-view",
    "output-log",
    "progress-page",
    "refreshing",
    "stalls",
    "telling",
    "tree-drawing",
    "words",
}
_IMPORT = re.compile(r'(?:from|import) "(\.{1,2}/[^"]+)"')


def compile_types(workspace: Workspace, *files: str) -> str:
    """Return what the compiler complains about."""
    (workspace.folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": COMPILER, "files": files}))
    compiler = workspace.folder / "node_modules" / "typescript" / "bin" / "tsc"
    command = [str(NODE), str(compiler), "--project", "tsconfig.json"]
    result = subprocess.run(command, cwd=workspace.folder, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode == 0) == (result.stdout + result.stderr == "")
    return result.stdout + result.stderr


def test_the_declarations_are_right_by_themselves(workspace: Workspace) -> None:
    declared = [f"node_modules/stepline/{name}" for name in workspace.packed if name.endswith(".d.ts")]
    assert "node_modules/stepline/index.d.ts" in declared
    # Those of the server's pages aren't in the package, and are checked where they lie.
    own = [str(CLIENT / f"{name}.d.ts") for name in sorted(NOT_PUBLISHED)]
    assert compile_types(workspace, *declared, *own) == ""


def test_code_that_uses_the_client_is_checked_by_its_types(workspace: Workspace) -> None:
    program = workspace.program("consumer.ts")
    assert compile_types(workspace, program.name) == ""
    wrong = workspace.folder / "wrong.ts"
    wrong.write_text('import { createJobStore } from "stepline";\ncreateJobStore(7);\n')
    assert "wrong.ts(2,16)" in compile_types(workspace, wrong.name)


def test_what_is_declared_is_exported(workspace: Workspace) -> None:
    """A name that types promise and the module lacks would fail at the import only."""
    declared = re.findall(r"^export \{ ([^}]+) \}", (CLIENT / "index.d.ts").read_text(), re.MULTILINE)
    names = sorted(name.strip() for names in declared for name in names.split(","))
    script = 'import * as client from "stepline"; console.log(JSON.stringify(Object.keys(client).sort()));'
    (workspace.folder / "exported.mjs").write_text(script)
    result = subprocess.run(
        [str(NODE), "exported.mjs"], cwd=workspace.folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert sorted(json.loads(result.stdout)) == names


def test_the_package_holds_the_client_and_all_that_it_imports(workspace: Workspace) -> None:
    packed = set(workspace.packed)
    modules = {name for name in packed if name.endswith(".js")}
    assert {"index.js", "react.js", "task-progress.js", "task-progress.css", "README.md", "LICENSE"} <= packed
    assert {path.stem for path in CLIENT.glob("*.js")} - {name.removesuffix(".js") for name in modules} == NOT_PUBLISHED
    for name in modules:
        imported = {found.removeprefix("./") for found in _IMPORT.findall((CLIENT / name).read_text())}
        assert imported <= packed, name
        assert f"{name.removesuffix('.js')}.d.ts" in packed


def test_its_version_and_its_licence_are_the_projects() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (package["name"], package["version"], package["license"]) == (
        "stepline",
        project["version"],
        project["license"],
    )
    assert (CLIENT / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert "dependencies" not in package


def test_the_lock_file_names_no_registry_and_only_permissive_licences() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert {package["license"] for package in packages.values()} <= {"Apache-2.0", "BSD-3-Clause", "ISC", "MIT"}
