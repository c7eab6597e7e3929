// deno-lint-ignore-file hvm/pure -- the runtime's calendar is what ours is compared with
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  advance,
  bytesOfUnixTime,
  decode,
  decodeHours,
  encode,
  encodeHours,
  secondsOfDay,
  secondsToAlarm,
} from "./rtc_calendar.ts";
import { RTC_B } from "./rtc_regs.ts";

const FORMATS = [0, RTC_B.DM, RTC_B.H24, RTC_B.DM | RTC_B.H24];

Deno.test("Calendar writes hours as the data sheet's table has them [146818] table 3", () => {
  const cases: [number, number, number, number, number][] = [
    // hour, BCD 12, binary 12, BCD 24, binary 24
    [0, 0x12, 0x0c, 0x00, 0],
    [1, 0x01, 0x01, 0x01, 1],
    [11, 0x11, 0x0b, 0x11, 11],
    [12, 0x92, 0x8c, 0x12, 12],
    [13, 0x81, 0x81, 0x13, 13],
    [23, 0x91, 0x8b, 0x23, 23],
  ];
  for (const [hour, ...expected] of cases) {
    assert.deepEqual(FORMATS.map((b) => encodeHours(hour, b)), expected, `${hour}`);
    for (const b of FORMATS) assert.equal(decodeHours(encodeHours(hour, b), b), hour);
  }
  assert.equal(encode(59, 0), 0x59);
  assert.equal(encode(59, RTC_B.DM), 59);
  assert.equal(decode(0x59, 0), 59);
});

Deno.test("Calendar gives the date of a moment, day of the week included", () => {
  const at = (text: string) => bytesOfUnixTime(Date.parse(text) / 1000, RTC_B.DM | RTC_B.H24);
  assert.deepEqual(at("1970-01-01T00:00:00Z"), [0, 0, 0, 5, 1, 1, 70, 19]);
  assert.deepEqual(at("2000-02-29T23:59:58Z"), [58, 59, 23, 3, 29, 2, 0, 20]);
  assert.deepEqual(at("2100-03-01T12:00:00Z"), [0, 0, 12, 2, 1, 3, 0, 21]);
  assert.deepEqual(at("1969-12-31T23:59:59Z"), [59, 59, 23, 4, 31, 12, 69, 19]);
});

/** Within these the chip's leap year rule is the Gregorian one. */
const MOMENT = fc.integer({ min: Date.UTC(1901, 0, 1) / 1000, max: Date.UTC(2099, 11, 31) / 1000 });

Deno.test("Calendar agrees with the Gregorian calendar from 1901 to 2099 in every format", () => {
  fc.assert(
    fc.property(MOMENT, MOMENT, fc.constantFrom(...FORMATS), (from, to, b) => {
      assert.deepEqual(advance(bytesOfUnixTime(from, b), to - from, b), bytesOfUnixTime(to, b));
      const date = new Date(to * 1000);
      assert.deepEqual(bytesOfUnixTime(to, RTC_B.DM | RTC_B.H24), [
        date.getUTCSeconds(),
        date.getUTCMinutes(),
        date.getUTCHours(),
        date.getUTCDay() + 1,
        date.getUTCDate(),
        date.getUTCMonth() + 1,
        date.getUTCFullYear() % 100,
        Math.floor(date.getUTCFullYear() / 100),
      ]);
    }),
    { numRuns: 2000 },
  );
});

Deno.test('Calendar counts every fourth year of a century as leap [146818] "Time, Calendar, and Alarm Locations"', () => {
  const b = RTC_B.DM | RTC_B.H24;
  assert.deepEqual(advance([59, 59, 23, 7, 28, 2, 0, 21], 1, b), [0, 0, 0, 1, 29, 2, 0, 21]);
  assert.deepEqual(advance([59, 59, 23, 7, 28, 2, 1, 21], 1, b), [0, 0, 0, 1, 1, 3, 1, 21]);
  assert.deepEqual(advance([59, 59, 23, 6, 31, 12, 99, 19], 1, b), [0, 0, 0, 7, 1, 1, 0, 20]);
});

Deno.test("Calendar makes valid bytes of anything, and the same in one step or two", () => {
  const bytes = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 8, maxLength: 8 });
  const seconds = fc.integer({ min: 1, max: 100_000_000 });
  fc.assert(fc.property(bytes, seconds, seconds, fc.constantFrom(...FORMATS), (start, first, second, b) => {
    const once = advance(start, first + second, b);
    assert.ok(once.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255), once.join());
    const twice = advance(advance(start, first, b), second, b);
    // A century byte that is none stays as it is until the century turns.
    assert.deepEqual(twice.slice(0, 7), once.slice(0, 7));
  }));
});

Deno.test("Calendar finds the next alarm as a search second by second does", () => {
  const alarmByte = (count: number, b: number) =>
    fc.oneof(
      fc.integer({ min: 0, max: count - 1 }).map((value) =>
        count === 24 ? encodeHours(value, b) : encode(value, b)
      ),
      fc.constantFrom(0xc0, 0xff, 0x7f),
    );
  for (const b of FORMATS) {
    const alarm = fc.tuple(alarmByte(60, b), alarmByte(60, b), alarmByte(24, b));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_399 }), alarm, (now, wanted) => {
        const bytes = bytesOfUnixTime(now, b);
        assert.equal(secondsOfDay(bytes, b), now);
        const expected = search(now, wanted, b);
        assert.equal(secondsToAlarm(bytes, wanted, b), expected);
      }),
      { numRuns: 60 },
    );
  }
});

function search(now: number, alarm: readonly number[], b: number): number {
  for (let seconds = 1; seconds <= 86_400; seconds++) {
    const time = (now + seconds) % 86_400;
    const registers = [
      encode(time % 60, b),
      encode(Math.floor(time / 60) % 60, b),
      encodeHours(Math.floor(time / 3600), b),
    ];
    if (registers.every((value, i) => alarm[i]! >= 0xc0 || alarm[i] === value)) return seconds;
  }
  return Infinity;
}
