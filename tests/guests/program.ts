/**
 * A program being written: the assembler with texts, zeroed memory and code that goes behind the body.
 * @module
 */

import { Asm, type Ref, ref } from "../../hvm/testing/asm.ts";

/** The assembler with what every guest program needs of it. */
export class Program extends Asm {
  readonly name: string;
  readonly #texts = new Map<string, string>();
  readonly #later: (() => void)[] = [];
  readonly #bss: { name: string; size: number; align: number }[] = [];

  constructor(name: string, options: ConstructorParameters<typeof Asm>[0]) {
    super(options);
    this.name = name;
  }

  /** The full-width name of a classic register: `wide("ax")` is `rax` or `eax`. */
  wide<N extends "ax" | "bx" | "cx" | "dx" | "sp" | "bp" | "si" | "di">(name: N): `r${N}` | `e${N}` {
    return this.mode === 64 ? `r${name}` : `e${name}`;
  }

  /** The address of a zero-terminated text. */
  text(text: string): Ref {
    let label = this.#texts.get(text);
    if (label === undefined) this.#texts.set(text, label = this.unique("text"));
    return ref(label);
  }

  /** Zeroed memory under a name; asking again gives the same. */
  bss(name: string, size: number, align = 8): Ref {
    if (!this.#bss.some((piece) => piece.name === name)) this.#bss.push({ name, size, align });
    return ref(name);
  }

  /** Code or data that goes behind the body. */
  later(write: () => void): void {
    this.#later.push(write);
  }

  /** Writes what was put off by {@linkcode Program.later}. */
  protected writeLater(): void {
    for (let i = 0; i < this.#later.length; i++) this.#later[i]!();
  }

  /** Writes the texts and gives zeroed memory its addresses; nothing may follow. @returns the bytes of zeroed memory. */
  protected writeTail(): number {
    for (const [text, label] of this.#texts) this.label(label).ascii(text).db(0);
    const end = this.here;
    let at = end;
    for (const { name, size, align } of this.#bss) {
      at = Math.ceil(at / align) * align;
      this.equ(name, at);
      at += size;
    }
    return at - end;
  }
}
