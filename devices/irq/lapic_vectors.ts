/**
 * The vectors of a local APIC: what is requested, what is in service, and which may interrupt the processor now.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 11.8.
 * @module
 */

import { APIC_MODE, clearVector, highestVector, setVector, WORD } from "./lapic_words.ts";

/**
 * Priorities over IRR and ISR, which lie in the shared words. Only the processor's own thread uses this, and it reads
 * plainly what only it writes.
 */
export class LapicVectors {
  readonly #words: Int32Array;
  #tpr = 0;
  /** The highest vector in service, -1 for none. */
  #inService = -1;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Nothing requested, nothing in service, lowest priority. */
  reset(): void {
    this.#words.fill(0, WORD.IRR, WORD.IRR + 24);
    this.restart(0);
  }

  /** Takes up what the words hold now. */
  restart(tpr: number): void {
    this.#inService = highestVector(this.#words, WORD.ISR);
    this.tpr = tpr;
  }

  /** The task priority register. */
  get tpr(): number {
    return this.#tpr;
  }

  set tpr(value: number) {
    this.#tpr = value;
    this.#publish();
  }

  /** The processor priority register. */
  get priority(): number {
    return this.#words[WORD.PRIORITY]!;
  }

  /** The vector to be taken now, -1 when there is none of a class above the processor's priority. [SDM] 11.8.3 */
  highestPending(): number {
    if ((this.#words[WORD.MODE]! & APIC_MODE.ENABLED) === 0) return -1;
    const vector = highestVector(this.#words, WORD.IRR);
    return vector >= 0 && vector >> 4 > this.priority >> 4 ? vector : -1;
  }

  /** Takes the vector to be taken now into service. @returns it, or -1. */
  acknowledge(): number {
    const vector = this.highestPending();
    if (vector < 0) return -1;
    clearVector(this.#words, WORD.IRR, vector);
    setVector(this.#words, WORD.ISR, vector);
    this.#inService = vector;
    this.#publish();
    return vector;
  }

  /** Ends the highest vector in service. @returns it, or -1. [SDM] 11.8.5 */
  end(): number {
    const vector = this.#inService;
    if (vector < 0) return -1;
    clearVector(this.#words, WORD.ISR, vector);
    this.#inService = highestVector(this.#words, WORD.ISR);
    this.#publish();
    return vector;
  }

  /** PPR: the greater of task priority and what is in service. [SDM] 11.8.3.1 */
  #publish(): void {
    const serviced = this.#inService < 0 ? 0 : this.#inService & 0xf0;
    Atomics.store(this.#words, WORD.PRIORITY, this.#tpr >= serviced ? this.#tpr : serviced);
  }
}
