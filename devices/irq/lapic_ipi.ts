/**
 * Interrupt commands: what a write to the interrupt command register sends, and who gets it.
 *
 * Sources: [SDM] Intel SDM vol. 3A, 11.6.
 * @module
 */

import { field } from "../../hvm/base/bits.ts";
import { DELIVERY, type InterruptMessage } from "../../hvm/io/msi.ts";
import { FIRST_VECTOR, ICR, SHORTHAND } from "./lapic_regs.ts";
import type { ApicMessage } from "./lapic_words.ts";

/** An inter-processor interrupt on its way. */
export interface IpiMessage extends ApicMessage {
  /** The destination is an x2APIC's, of 32 bits. */
  readonly wide: boolean;
  /** One of {@linkcode SHORTHAND}; NONE when `destination` counts. SELF never leaves the sender. */
  readonly shorthand: number;
  /** The sender's APIC identification. */
  readonly source: number;
}

/** What a command comes to. */
export const COMMAND = { SEND: 0, NOTHING: 1, ILLEGAL_VECTOR: 2 } as const;

/**
 * Whether a command is one of the valid combinations of mode, trigger and shorthand. [SDM] tables 11-3 and 11-4
 * @param low the low word of the command register.
 * @returns one of {@linkcode COMMAND}.
 */
export function classifyCommand(low: number): number {
  const delivery = field(low, ICR.DELIVERY);
  const shorthand = field(low, ICR.SHORTHAND);
  const vectored = delivery === DELIVERY.FIXED || delivery === DELIVERY.LOWEST_PRIORITY;
  if (vectored && (low & ICR.VECTOR) < FIRST_VECTOR) return COMMAND.ILLEGAL_VECTOR;
  // Mode 3 is reserved (remote read of old), and ExtINT cannot be sent.
  if (delivery === 3 || delivery === DELIVERY.EXT_INT) return COMMAND.NOTHING;
  // INIT level de-assert tells arbitration identifications, which are no more.
  if (delivery === DELIVERY.INIT && (low & (ICR.LEVEL | ICR.ASSERT)) === ICR.LEVEL) return COMMAND.NOTHING;
  const toSelf = shorthand === SHORTHAND.SELF || shorthand === SHORTHAND.ALL;
  return toSelf && delivery !== DELIVERY.FIXED ? COMMAND.NOTHING : COMMAND.SEND;
}

/** The message of a command. Inter-processor interrupts are always edges. [SDM] 11.6.1 */
export function messageOf(low: number, destination: number, wide: boolean, source: number): IpiMessage {
  return {
    vector: low & ICR.VECTOR,
    delivery: field(low, ICR.DELIVERY),
    destination,
    logical: (low & ICR.LOGICAL) !== 0,
    level: false,
    asserted: true,
    wide,
    shorthand: field(low, ICR.SHORTHAND),
    source,
  };
}

/** A local APIC as a message finds it: one of ours, or a stand-in for one in another thread. */
export interface ApicTarget {
  /** The APIC identification. */
  readonly apicId: number;
  /** The processor priority register. */
  readonly priority: number;
  /** Vectors are taken (enabled by SVR). */
  readonly takesVectors: boolean;
  matches(message: ApicMessage): boolean;
  accept(message: InterruptMessage): boolean;
}

/** The way of messages to local APICs, lowest-priority arbitration included. */
export class ApicBus {
  readonly #targets: readonly ApicTarget[];
  /** Where the last arbitration went, so that equals take turns. */
  #last = 0;

  constructor(targets: readonly ApicTarget[]) {
    this.#targets = targets;
  }

  /** Delivers a message, with a shorthand or without. @returns true when any APIC took it. */
  send(message: ApicMessage | IpiMessage): boolean {
    if (message.delivery === DELIVERY.LOWEST_PRIORITY) return this.#arbitrate(message);
    let taken = false;
    for (const target of this.#targets) {
      if (isMeant(target, message) && target.accept(message)) taken = true;
    }
    return taken;
  }

  /** The processor of least priority takes the interrupt. [SDM] 11.6.2.4 */
  #arbitrate(message: ApicMessage | IpiMessage): boolean {
    const count = this.#targets.length;
    let winner = -1;
    for (let i = 1; i <= count; i++) {
      const index = (this.#last + i) % count;
      const target = this.#targets[index]!;
      if (!target.takesVectors || !isMeant(target, message)) continue;
      if (winner < 0 || target.priority < this.#targets[winner]!.priority) winner = index;
    }
    if (winner < 0) return false;
    this.#last = winner;
    return this.#targets[winner]!.accept(message);
  }
}

function isMeant(target: ApicTarget, message: ApicMessage | IpiMessage): boolean {
  if (!("shorthand" in message) || message.shorthand === SHORTHAND.NONE) return target.matches(message);
  return message.shorthand === SHORTHAND.ALL || target.apicId !== message.source;
}
