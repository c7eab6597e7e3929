import assert from "node:assert/strict";
import { changelogFaults, undocumented } from "./docs.ts";

const GOOD =
  "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- a\n\n## [0.1.0] - 2026-11-21\n\n### Fixed\n\n- b\n";

Deno.test("changelogFaults accepts the form of Keep a Changelog", () => {
  assert.deepEqual(changelogFaults(GOOD, "0.1.0"), []);
});

for (
  const [what, from, to] of [
    ["another title", "# Changelog", "# Changes"],
    ["no unreleased part", "## [Unreleased]\n", ""],
    ["a version without a date", " - 2026-11-21", ""],
    ["an unknown kind", "### Fixed", "### Mended"],
    ["a version that is not the project's", "[0.1.0]", "[0.2.0]"],
  ] as const
) {
  Deno.test(`changelogFaults refuses ${what}`, () => {
    assert.equal(changelogFaults(GOOD.replace(from, to), "0.1.0").length > 0, true);
  });
}

Deno.test("undocumented finds what a module exports without a word", async () => {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      file,
      "/** Said. */\nexport const a = 1;\nexport const b = 2;\nexport interface C {}\n",
    );
    assert.deepEqual(await undocumented(file), [
      `${file} exports b, which has no description`,
      `${file} exports C, which has no description`,
    ]);
  } finally {
    await Deno.remove(file);
  }
});
