/**
 * A source of events that any number of listeners and loops may follow.
 * @module
 */

/** Events of one kind, from now on. */
export interface EventSource<E> {
  /** Calls `listener` with every event from now on. @returns the way to end that. */
  subscribe(listener: (event: E) => void): () => void;
  /** The events from the call on, until the source closes; none is lost between two turns of the loop. */
  [Symbol.asyncIterator](): AsyncIterator<E>;
}

/** The other end of an {@linkcode EventSource}. */
export class EventHub<E> implements EventSource<E> {
  readonly #listeners = new Set<(event: E) => void>();
  readonly #closers = new Set<() => void>();
  #closed = false;

  subscribe(listener: (event: E) => void): () => void {
    // Two subscriptions of one function are two.
    const own = (event: E) => listener(event);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Hands `event` to everyone. A listener that throws fails by itself: the others still hear of it. */
  emit(event: E): void {
    if (this.#closed) return;
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        reportError(error);
      }
    }
  }

  /** No event follows: loops end once they have seen what came before. */
  close(): void {
    this.#closed = true;
    this.#listeners.clear();
    for (const closer of [...this.#closers]) closer();
  }

  [Symbol.asyncIterator](): AsyncIterator<E> {
    const waiting: E[] = [];
    let news = Promise.withResolvers<void>();
    let over = this.#closed;
    const stop = () => {
      over = true;
      unsubscribe();
      this.#closers.delete(stop);
      news.resolve();
    };
    const unsubscribe = this.subscribe((event) => {
      waiting.push(event);
      news.resolve();
    });
    if (over) stop();
    else this.#closers.add(stop);
    return {
      next: async () => {
        while (waiting.length === 0 && !over) {
          await news.promise;
          news = Promise.withResolvers();
        }
        if (waiting.length === 0) return { done: true, value: undefined };
        return { done: false, value: waiting.shift() as E };
      },
      return: () => {
        stop();
        waiting.length = 0;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}
