/**
 * Named trace points with integer arguments, counters and sinks.
 *
 * Every point counts always; text is made only while a sink listens. A point costs one increment and one branch when
 * nobody does.
 * @module
 */

/** Receives each hit of an enabled point: its name and its integer arguments. */
export type TraceSink = (name: string, args: readonly number[]) => void;

/** One trace point; call it with integers. */
export type TracePoint = (...args: number[]) => void;

/** The trace points of one machine. */
export class Trace {
  readonly #counts = new Map<string, { hits: number }>();
  #sink: TraceSink | undefined;

  /** The point of that name, made on first use. Ask once, at build time. */
  point(name: string): TracePoint {
    let counter = this.#counts.get(name);
    if (counter === undefined) this.#counts.set(name, counter = { hits: 0 });
    const counted = counter;
    return (...args) => {
      counted.hits++;
      if (this.#sink !== undefined) this.#sink(name, args);
    };
  }

  /** Sends every hit to `sink` from now on; undefined stops. */
  listen(sink: TraceSink | undefined): void {
    this.#sink = sink;
  }

  /** Hits by name, of points hit at least once. */
  counts(): Record<string, number> {
    const result: Record<string, number> = {};
    for (const [name, { hits }] of this.#counts) if (hits > 0) result[name] = hits;
    return result;
  }
}

/** A trace nobody reads, for tests and defaults. */
export const NO_TRACE: Trace = new Trace();
