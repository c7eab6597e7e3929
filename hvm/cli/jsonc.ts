/**
 * JSON with comments and commas before closing brackets, as people write configuration files.
 * @module
 */

/**
 * Parses the text.
 * @throws {SyntaxError} as `JSON.parse` does; positions in its message are those of the text.
 */
export function parseJsonc(text: string): unknown {
  return JSON.parse(blankCommas(blankComments(text.replace(/^\ufeff/, " "))));
}

/** A string, or what is to be blanked out. An unfinished comment is left for the parser to refuse. */
const COMMENT = /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[^]*?\*\//g;
const COMMA = /"(?:[^"\\\n]|\\.)*"|(?<=[^\s[{,:]\s*),(?=\s*[\]}])/g;

function blankComments(text: string): string {
  return text.replace(COMMENT, blank);
}

function blankCommas(text: string): string {
  return text.replace(COMMA, blank);
}

function blank(match: string): string {
  return match.startsWith('"') ? match : match.replace(/[^\n]/g, " ");
}
