/**
 * Quantities people write: sizes such as `512M` and times such as `90s`.
 * @module
 */

/** Binary units by their letter; `KiB` and the like mean the same. */
const SIZE_UNIT: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};

/** Milliseconds by unit. */
const TIME_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A quantity, or the reason there is none: the end of a sentence that began with what was written. */
export type Quantity = { readonly value: number } | { readonly fault: string };

/**
 * Reads a size in bytes: a number with K, M, G or T (or KiB, MiB, GiB, TiB), all powers of 1024, in either case. A
 * fraction is fine when it comes to whole bytes: `1.5G`. Signs are read too, so that the caller can speak of ranges.
 */
export function parseSize(text: string): Quantity {
  const match = /^\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*([A-Za-z]*)\s*$/.exec(text);
  if (match === null) return { fault: "it is not a size such as 512M or 2G" };
  const [, digits = "", unit = ""] = match;
  const letter = /^([kmgt]?)(?:ib)?$/i.exec(unit)?.[1]?.toUpperCase() ??
    (/^b$/i.test(unit) ? "B" : undefined);
  const factor = letter === undefined || /^ib$/i.test(unit) ? undefined : SIZE_UNIT[letter];
  if (factor === undefined) {
    return { fault: `there is no unit ${unit}; units are K, M, G and T (powers of 1024)` };
  }
  const value = Number(digits) * factor;
  if (!Number.isSafeInteger(value)) {
    return { fault: Number.isInteger(value) ? "it is too large" : "it is not a whole number of bytes" };
  }
  return { value };
}

/** Reads a time in milliseconds: a number with ms, s, m or h. */
export function parseTime(text: string): Quantity {
  const match = /^\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*([A-Za-z]*)\s*$/.exec(text);
  if (match === null) return { fault: "it is not a time such as 90s or 2m" };
  const [, digits = "", unit = ""] = match;
  if (unit === "") return { fault: "it has no unit; units are ms, s, m and h" };
  const factor = Object.hasOwn(TIME_UNIT, unit) ? TIME_UNIT[unit] : undefined;
  if (factor === undefined) return { fault: `there is no unit ${unit}; units are ms, s, m and h` };
  return { value: Number(digits) * factor };
}

/** Writes a size shortly: `512M`, `1.5G`, `1000 bytes`. */
export function sizeText(bytes: number): string {
  for (const unit of ["T", "G", "M", "K"]) {
    const count = bytes / SIZE_UNIT[unit]!;
    if (count >= 1) return Number.isInteger(count * 10) ? `${count}${unit}` : `${count.toFixed(1)}${unit}`;
  }
  return bytes === 1 ? "1 byte" : `${bytes} bytes`;
}
