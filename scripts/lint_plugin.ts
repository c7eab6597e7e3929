/**
 * The house's own lint rules: mistakes seen in other monitors, and habits that are not left to memory.
 *
 * - `bit-of-its-register`: a bit of one register is not tested on another, and no two bits of one are equal.
 * - `pure`: folders whose tests run without permissions use neither `Deno` nor real time.
 * - `quiet`: only tests and scripts print by `console`.
 * - `module-header`: every module begins with a sentence on what it is for.
 * - `test-asserts`: a test can fail.
 *
 * The default export is what the linter asks for; nothing else here has one.
 * @module
 */

import { PURE_FOLDERS } from "./test.ts";

type Context = Deno.lint.RuleContext;
type Visitor = Deno.lint.LintVisitor;

/** The path from the project's root. */
function pathOf(context: Context): string {
  const root = new URL("..", import.meta.url).pathname;
  return context.filename.startsWith(root) ? context.filename.slice(root.length) : context.filename;
}

function isTest(path: string): boolean {
  return path.endsWith("_test.ts");
}

/** The object and the bit of `LCR.DLAB`. */
function bitOf(node: Deno.lint.Node): { register: string; bit: string } | undefined {
  if (node.type !== "MemberExpression" || node.computed || node.object.type !== "Identifier") {
    return undefined;
  }
  const register = node.object.name;
  if (!/^[A-Z][A-Z0-9_]*$/.test(register) || node.property.type !== "Identifier") return undefined;
  return { register, bit: node.property.name };
}

/** The name of what a bit is tested on: `lcr` of `lcr`, `state.lcr` and `this.#lcr`. */
function subjectOf(node: Deno.lint.Node): string | undefined {
  if (node.type === "Identifier") return node.name;
  if (node.type !== "MemberExpression" || node.computed) return undefined;
  const { property } = node;
  return property.type === "Identifier" || property.type === "PrivateIdentifier" ? property.name : undefined;
}

/** Kvmtool tested a FIFO control bit on the line control register; gokvm had two CR4 bits with one value. */
const bitOfItsRegister: Deno.lint.Rule = {
  create(context): Visitor {
    const objects = new Map<string, Deno.lint.ObjectExpression>();
    const tests: { node: Deno.lint.Node; register: string; bit: string; subject: string }[] = [];
    const used = new Set<string>();
    const note = (node: Deno.lint.Node, bitSide: Deno.lint.Node, other: Deno.lint.Node) => {
      const bit = bitOf(bitSide);
      if (bit === undefined) return;
      used.add(bit.register);
      const subject = subjectOf(other);
      if (subject !== undefined) tests.push({ node, ...bit, subject: subject.toUpperCase() });
    };
    return {
      VariableDeclarator(node) {
        const value = node.init?.type === "TSAsExpression" ? node.init.expression : node.init;
        if (node.id.type === "Identifier" && value?.type === "ObjectExpression") {
          objects.set(node.id.name, value);
        }
      },
      BinaryExpression(node) {
        if (node.operator !== "&") return;
        note(node, node.right, node.left);
        note(node, node.left, node.right);
      },
      AssignmentExpression(node) {
        if (node.operator === "&=" || node.operator === "|=") note(node, node.right, node.left);
      },
      "Program:exit"() {
        for (const { node, register, bit, subject } of tests) {
          if (subject !== register && used.has(subject)) {
            context.report({
              node,
              message: `${register}.${bit} is a bit of ${register}, not of ${subject}`,
            });
          }
        }
        for (const name of used) reportTwins(context, name, objects.get(name));
      },
    };
  },
};

/** Reports two names for one bit in one object. */
function reportTwins(context: Context, name: string, object: Deno.lint.ObjectExpression | undefined): void {
  const seen = new Map<string, string>();
  for (const property of object?.properties ?? []) {
    if (property.type !== "Property" || property.key.type !== "Identifier") continue;
    const text = context.sourceCode.getText(property.value);
    const value = singleBit(text);
    if (value === undefined) continue;
    const twin = seen.get(value);
    if (twin !== undefined) {
      context.report({
        node: property,
        message: `${name}.${property.key.name} and ${name}.${twin} are the same bit`,
      });
    }
    seen.set(value, property.key.name);
  }
}

/** The value of a literal or `1 << n` that has exactly one bit. */
function singleBit(text: string): string | undefined {
  const shift = text.match(/^1(n?) << (\d+)n?$/);
  const plain = /^(0x[0-9a-f_]+|0b[01_]+|\d[\d_]*)n?$/i.test(text);
  if (shift === null && !plain) return undefined;
  const value = shift === null ? BigInt(text.replace(/[_n]/g, "")) : 1n << BigInt(shift[2] ?? 0);
  return value > 0n && (value & (value - 1n)) === 0n ? String(value) : undefined;
}

/** Names that reach outside: what a pure module may not use. */
const IMPURE = new Set([
  "Deno",
  "Date",
  "performance",
  "setTimeout",
  "setInterval",
  "queueMicrotask",
  "fetch",
]);

const pure: Deno.lint.Rule = {
  create(context): Visitor {
    const path = pathOf(context);
    // What hvm/testing has for tests that do have permissions is told apart by running its own tests without.
    const applies = PURE_FOLDERS.some((folder) => path.startsWith(`${folder}/`)) &&
      !path.startsWith("hvm/testing/");
    if (!applies) return {};
    const refuse = (node: Deno.lint.Node, name: string) =>
      context.report({ node, message: `${name} is not for a pure folder: what it gives must be handed in` });
    return {
      MemberExpression(node) {
        if (node.object.type !== "Identifier" || !IMPURE.has(node.object.name)) return;
        const registersTest = node.object.name === "Deno" && node.property.type === "Identifier" &&
          node.property.name === "test";
        if (!(isTest(path) && registersTest)) refuse(node, node.object.name);
      },
      CallExpression(node) {
        if (node.callee.type === "Identifier" && IMPURE.has(node.callee.name)) refuse(node, node.callee.name);
      },
      NewExpression(node) {
        if (node.callee.type === "Identifier" && IMPURE.has(node.callee.name)) refuse(node, node.callee.name);
      },
    };
  },
};

/** Guests own standard output, and hvm's own words go through the command line: nobody else prints. */
const quiet: Deno.lint.Rule = {
  create(context): Visitor {
    const path = pathOf(context);
    if (isTest(path) || path.startsWith("hvm/testing/") || path.startsWith("scripts/")) return {};
    return {
      MemberExpression(node) {
        // A machine has a console of its own; the one meant here is known by its methods.
        const { object, property } = node;
        const prints = property.type === "Identifier" &&
          /^(log|error|warn|info|debug|table|dir)$/.test(property.name);
        if (object.type !== "Identifier" || object.name !== "console" || !prints) return;
        context.report({ node, message: "Only tests and scripts use the console" });
      },
    };
  },
};

const moduleHeader: Deno.lint.Rule = {
  create(context): Visitor {
    const path = pathOf(context);
    if (isTest(path) || !path.endsWith(".ts")) return {};
    return {
      Program(node) {
        const header = context.sourceCode.text.match(/^(?:#![^\n]*\n)?\/\*\*([^]*?)\*\//)?.[1] ?? "";
        if (!header.includes("@module") || !/\w/.test(header.replace("@module", ""))) {
          context.report({ node, message: "A module begins with /** what it is for, and @module */" });
        }
      },
    };
  },
};

const testAsserts: Deno.lint.Rule = {
  create(context): Visitor {
    if (!isTest(pathOf(context))) return {};
    const calls: Deno.lint.CallExpression[] = [];
    const asserting = ["assert", "expect", "fc.", "check", "only"];
    return {
      FunctionDeclaration(node) {
        const text = context.sourceCode.getText(node);
        if (node.id !== null && /\b(assert|expect)/.test(text)) asserting.push(node.id.name);
      },
      VariableDeclarator(node) {
        const text = node.init === null ? "" : context.sourceCode.getText(node.init);
        const isFunction = node.init?.type === "ArrowFunctionExpression";
        if (isFunction && node.id.type === "Identifier" && /\b(assert|expect)/.test(text)) {
          asserting.push(node.id.name);
        }
      },
      CallExpression(node) {
        const { callee } = node;
        const named = callee.type === "MemberExpression" && callee.object.type === "Identifier" &&
          callee.object.name === "Deno" && callee.property.type === "Identifier" &&
          callee.property.name === "test";
        if (named) calls.push(node);
      },
      "Program:exit"() {
        for (const call of calls) {
          const body = call.arguments.find((one) =>
            /Function/.test(one.type) || one.type === "ObjectExpression"
          );
          if (body === undefined) continue;
          const text = context.sourceCode.getText(body);
          if (!asserting.some((name) => new RegExp(`\\b${name.replace(".", "\\.")}`).test(text))) {
            context.report({ node: call, message: "This test asserts nothing, so it cannot fail" });
          }
        }
      },
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "hvm",
  rules: {
    "bit-of-its-register": bitOfItsRegister,
    "pure": pure,
    "quiet": quiet,
    "module-header": moduleHeader,
    "test-asserts": testAsserts,
  },
};

export default plugin;
