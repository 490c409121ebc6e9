"""Clients in TypeScript: the strictest compiler takes them, and holds whoever uses them to their types."""

import subprocess
from pathlib import Path

import pytest

from tasks.domain.client_code import Surface, write_typescript
from tests.javascript.npm import NODE, packed_client
from tests.tasks.domain.client_code.surface_kit import SITE

pytest_plugins = ["tests.javascript_tools"]

USE = """
import * as client from "./client";
import type { Address, ExportUsersInput, LongStep, Node } from "./client";

const address: Address = { street: "Main Street 1" };
const given: ExportUsersInput = {
  user_id: 7, colour: "red", when: "2026-11-20T12:00:00Z", address, tags: ["a", 1], pair: [1, "a"],
  shape: { kind: "circle", radius: 1 }, by_city: { Bonn: [address] }, level: null, price: "1.5", from: "x",
  odd: { a: 1 }, more: { any: ["thing"] }, tree: { name: "a", children: [{ name: "b" }] },
};
client.trackExportUsers(given).subscribe((state) => {
  const output: Node | Address[] | null = state.output;
  const file: string | undefined = state.meta?.file;
  return [output, file];
});
client.trackSendMail({ to: { line: 1 } }).subscribe((state) => state.output?.line.toFixed());
client.trackUnchecked({ whatever: 1 });
client.trackUnchecked();
client.trackCsvImport({ file: "a.csv", "first-row": 2, other: true }).subscribe(({ step }) => {
  if (step === "read" || step === "check_rows" || step === '"quoted"') return;
  const none: null = step;
  return none;
});
client.trackCsvImport();
client.track_2024Report();
const step: LongStep = "step_number_19";
export const lines: Promise<number> = client.countLines({ text: "a", class: true });
export const orders: Promise<Record<string, string>> = client.shopGetOrder();
export const healthy: Promise<unknown> = Promise.all([client.health(), client.import_(), client.call_(), step]);

// @ts-expect-error text is required
client.countLines({});
// @ts-expect-error a number is no text
client.countLines({ text: 1 });
// @ts-expect-error there is no such argument
client.countLines({ text: "a", lines: 1 });
// @ts-expect-error it takes no arguments
client.health({ a: 1 });
// @ts-expect-error no such colour
client.trackExportUsers({ ...given, colour: "green" });
// @ts-expect-error a circle has no side
client.trackExportUsers({ ...given, shape: { kind: "circle", side: 1 } });
// @ts-expect-error all arguments by name
client.trackExportUsers();
// @ts-expect-error no such step
export const wrong: LongStep = "step_number_20";
"""


@pytest.fixture
def compiled(typescript_compiler: Path, tmp_path: Path) -> str:
    """Return what the compiler says of the client and its use."""
    packed_client(tmp_path)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "package").rename(tmp_path / "node_modules" / "stepline")
    (tmp_path / "client.ts").write_text(write_typescript(SITE), encoding="utf-8")
    (tmp_path / "use.ts").write_text(USE)
    options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noUnusedLocals"]
    where = ["--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022", "--lib", "es2022,dom"]
    ended = subprocess.run(
        [str(NODE), str(typescript_compiler), *options, *where, "client.ts", "use.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.stdout + ended.stderr


def test_it_compiles_and_holds_its_users_to_its_types(compiled: str) -> None:
    assert compiled == ""


def test_the_same_site_gives_the_same_text() -> None:
    turned = Surface(offered=list(SITE.offered)[::-1], meta=SITE.meta)
    assert write_typescript(turned) == write_typescript(SITE)


def test_it_imports_what_it_uses_from_where_it_is_told() -> None:
    only_calls = Surface(offered=[one for one in SITE.offered if one.name == "health"])
    text = write_typescript(only_calls, import_from='../"lib"')
    assert 'import { call } from "../\\"lib\\"";' in text
    assert "createJobStore" not in text


def test_a_site_that_offers_nothing_is_a_module_all_the_same() -> None:
    assert write_typescript(Surface(offered=[])).endswith("\n\nexport {};\n")
