/**
 * The calendar of the MC146818: its time bytes, in BCD or binary, advanced by any number of seconds at once.
 *
 * Years are two digits and every fourth is a leap year, as in the chip; the century is a byte the PC keeps beside them.
 *
 * Sources: [146818] Motorola MC146818A data sheet, "Time, Calendar, and Alarm Locations".
 * @module
 */

import { RTC_B, RTC_REG } from "./rtc_regs.ts";

/** The time bytes the chip advances, in the order of {@linkcode TimeBytes}. */
export const TIME_REGS = [
  RTC_REG.SECONDS,
  RTC_REG.MINUTES,
  RTC_REG.HOURS,
  RTC_REG.DAY_OF_WEEK,
  RTC_REG.DAY,
  RTC_REG.MONTH,
  RTC_REG.YEAR,
  RTC_REG.CENTURY,
] as const;

/** Seconds, minutes, hours, day of week, day, month, year and century as register values. */
export type TimeBytes = readonly number[];

const SECONDS_PER_DAY = 86_400;
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
const DAYS_PER_CENTURY = 36_525;

/** A value as the registers hold it while DM is as in `b`. */
export function encode(value: number, b: number): number {
  return (b & RTC_B.DM) !== 0 ? value : Math.floor(value / 10) << 4 | value % 10;
}

/** The number a register byte stands for. */
export function decode(byte: number, b: number): number {
  return (b & RTC_B.DM) !== 0 ? byte : (byte >> 4) * 10 + (byte & 15);
}

/** Hours 0 to 23 as the register holds them: in 12-hour mode 1 to 12, bit 7 for the afternoon. */
export function encodeHours(hours: number, b: number): number {
  if ((b & RTC_B.H24) !== 0) return encode(hours, b);
  return encode((hours + 11) % 12 + 1, b) | (hours >= 12 ? 0x80 : 0);
}

/** Hours 0 to 23; whatever a guest wrote is brought into that range. */
export function decodeHours(byte: number, b: number): number {
  if ((b & RTC_B.H24) !== 0) return decode(byte, b) % 24;
  return decode(byte & 0x7f, b) % 12 + (byte >= 0x80 ? 12 : 0);
}

/** The time bytes of a moment of the Gregorian calendar, in seconds since 1970. */
export function bytesOfUnixTime(seconds: number, b: number): number[] {
  const days = Math.floor(seconds / SECONDS_PER_DAY);
  const time = seconds - days * SECONDS_PER_DAY;
  const { year, month, day } = gregorian(days);
  return [
    encode(time % 60, b),
    encode(Math.floor(time / 60) % 60, b),
    encodeHours(Math.floor(time / 3600), b),
    encode(modulo(days + 4, 7) + 1, b),
    encode(day, b),
    encode(month, b),
    encode(modulo(year, 100), b),
    encode(modulo(Math.floor(year / 100), 100), b),
  ];
}

/**
 * The time bytes `seconds` later, or earlier where that is negative. Bytes that are no time, as a guest may have written, count as the time
 * they come to when each field is brought into its range.
 */
export function advance(bytes: TimeBytes, seconds: number, b: number): number[] {
  const time = secondsOfDay(bytes, b) + seconds;
  const days = Math.floor(time / SECONDS_PER_DAY);
  const rest = time - days * SECONDS_PER_DAY;
  const year = decode(bytes[6]!, b) % 100;
  const month = (decode(bytes[5]!, b) + 11) % 12;
  const dayInMonth = (decode(bytes[4]!, b) + lengthOf(month, year) - 1) % lengthOf(month, year);
  const total = daysBefore(year, month) + dayInMonth + days;
  const centuries = Math.floor(total / DAYS_PER_CENTURY);
  const date = dateInCentury(total - centuries * DAYS_PER_CENTURY);
  return [
    encode(rest % 60, b),
    encode(Math.floor(rest / 60) % 60, b),
    encodeHours(Math.floor(rest / 3600), b),
    encode(modulo(decode(bytes[3]!, b) + 6 + days, 7) + 1, b),
    encode(date.day + 1, b),
    encode(date.month + 1, b),
    encode(date.year, b),
    centuries === 0 ? bytes[7]! : encode(modulo(decode(bytes[7]!, b) + centuries, 100), b),
  ];
}

/** Seconds since midnight. */
export function secondsOfDay(bytes: TimeBytes, b: number): number {
  return decode(bytes[0]!, b) % 60 + decode(bytes[1]!, b) % 60 * 60 + decodeHours(bytes[2]!, b) * 3600;
}

/**
 * Seconds, at least 1, until the time matches the alarm bytes, Infinity when it never will. An alarm byte with both top
 * bits set matches anything. [146818] "Time, Calendar, and Alarm Locations"
 * @param alarm seconds, minutes and hours as the alarm registers hold them.
 */
export function secondsToAlarm(
  bytes: TimeBytes,
  alarm: readonly [number, number, number],
  b: number,
): number {
  const [seconds, minutes, hours] = alarm;
  const now = secondsOfDay(bytes, b);
  const first = matching(60, seconds, (value) => encode(value, b));
  if (first.length === 0) return Infinity;
  const inHour = matching(60, minutes, (value) => encode(value, b));
  let nearest = Infinity;
  for (const hour of matching(24, hours, (value) => encodeHours(value, b))) {
    for (const minute of inHour) {
      // The earliest and latest second of a minute, and the next after now in the minute that is now.
      const start = hour * 3600 + minute * 60;
      if (start > now || start + 60 <= now + 1) {
        nearest = Math.min(nearest, until(now, start + first[0]!));
      } else {
        for (const second of first) nearest = Math.min(nearest, until(now, start + second));
      }
    }
  }
  return nearest;
}

function until(now: number, then: number): number {
  return then > now ? then - now : then - now + SECONDS_PER_DAY;
}

function matching(count: number, alarm: number, encoded: (value: number) => number): number[] {
  const all = Array.from({ length: count }, (_, value) => value);
  return alarm >= 0xc0 ? all : all.filter((value) => encoded(value) === alarm);
}

function lengthOf(month: number, year: number): number {
  const leap = month === 1 && year % 4 === 0 ? 1 : 0;
  return DAYS_BEFORE_MONTH[month + 1]! - DAYS_BEFORE_MONTH[month]! + leap;
}

/** Days from the first of January of year 0 of the century to the first of a month (0 to 11). */
function daysBefore(year: number, month: number): number {
  const leap = month > 1 && year % 4 === 0 ? 1 : 0;
  return year * 365 + Math.ceil(year / 4) + DAYS_BEFORE_MONTH[month]! + leap;
}

function dateInCentury(days: number): { year: number; month: number; day: number } {
  let year = Math.floor(days / 365.25);
  while (daysBefore(year, 0) > days) year--;
  while (year < 99 && daysBefore(year + 1, 0) <= days) year++;
  let month = 11;
  while (daysBefore(year, month) > days) month--;
  return { year, month, day: days - daysBefore(year, month) };
}

/** The Gregorian date of a day since the first of January 1970. */
function gregorian(days: number): { year: number; month: number; day: number } {
  // Count from the first of March of year 0, so that a leap day is the last of its year.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const inEra = shifted - era * 146_097;
  const yearInEra = Math.floor(
    (inEra - Math.floor(inEra / 1460) + Math.floor(inEra / 36_524) - Math.floor(inEra / 146_096)) / 365,
  );
  const inYear = inEra - (yearInEra * 365 + Math.floor(yearInEra / 4) - Math.floor(yearInEra / 100));
  const marchMonth = Math.floor((5 * inYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return {
    year: yearInEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: inYear - Math.floor((153 * marchMonth + 2) / 5) + 1,
  };
}

function modulo(value: number, modulus: number): number {
  return (value % modulus + modulus) % modulus;
}
