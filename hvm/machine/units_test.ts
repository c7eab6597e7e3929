import assert from "node:assert/strict";
import fc from "fast-check";
import { parseSize, parseTime, sizeText } from "./units.ts";

Deno.test("parseSize reads every unit in either case", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["1", 1],
    ["1B", 1],
    ["4096", 4096],
    ["4K", 4096],
    ["4k", 4096],
    ["4KiB", 4096],
    ["512M", 512 * 2 ** 20],
    ["512MiB", 512 * 2 ** 20],
    ["512 mib", 512 * 2 ** 20],
    ["2G", 2 ** 31],
    ["1.5g", 1.5 * 2 ** 30],
    [".5K", 512],
    ["1T", 2 ** 40],
    ["-5M", -5 * 2 ** 20],
    ["+1K", 1024],
  ];
  for (const [text, value] of cases) assert.deepEqual(parseSize(text), { value }, text);
});

Deno.test("parseSize says what is wrong with anything else", () => {
  const cases: [string, RegExp][] = [
    ["", /not a size/],
    ["M", /not a size/],
    ["five", /not a size/],
    ["1,5G", /not a size/],
    ["0x1000", /not a size|no unit/],
    ["1e9", /not a size|no unit/],
    ["Infinity", /not a size/],
    ["NaN", /not a size/],
    ["512Q", /no unit Q/],
    ["512MB", /no unit MB/],
    ["512iB", /no unit iB/],
    ["512constructor", /no unit constructor/],
    ["0.3K", /not a whole number/],
    ["99999999T", /too large/],
    [`${"9".repeat(400)}`, /too large|whole number/],
  ];
  for (const [text, expected] of cases) {
    const result = parseSize(text);
    assert.ok("fault" in result, text);
    assert.match(result.fault, expected);
  }
});

Deno.test("parseTime reads milliseconds to hours and wants a unit", () => {
  assert.deepEqual(parseTime("500ms"), { value: 500 });
  assert.deepEqual(parseTime("1.5s"), { value: 1500 });
  assert.deepEqual(parseTime("2m"), { value: 120_000 });
  assert.deepEqual(parseTime("1h"), { value: 3_600_000 });
  assert.deepEqual(parseTime("-1s"), { value: -1000 });
  for (const text of ["", "5", "5d", "s", "5 minutes", "5toString"]) {
    assert.ok("fault" in parseTime(text), text);
  }
});

Deno.test("parseSize reads back what sizeText writes in whole units", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1023 }), fc.constantFrom("K", "M", "G", "T"), (count, unit) => {
      const size = parseSize(`${count}${unit}`);
      assert.ok("value" in size);
      assert.equal(sizeText(size.value), `${count}${unit}`);
    }),
  );
  assert.equal(sizeText(1), "1 byte");
  assert.equal(sizeText(0), "0 bytes");
  assert.equal(sizeText(1.5 * 2 ** 30), "1.5G");
  assert.equal(sizeText(8_217_624_576), "7.7G");
});

Deno.test("parseSize and parseTime take any text without throwing", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    parseSize(text);
    parseTime(text);
  }));
});
