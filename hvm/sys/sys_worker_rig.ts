/**
 * A worker for the tests of this folder: blocks SIGUSR1, says which thread it is, waits for an event or a signal.
 * @module
 */

import { createEventFd, lowerEvent, POLL, PollSet } from "./events.ts";
import { blockSignals, processId, SIGNAL, signalSet, takePending, threadId } from "./signals.ts";

const scope = globalThis as unknown as {
  onmessage: () => void;
  postMessage(message: unknown): void;
  close(): void;
};

blockSignals(SIGNAL.USR1);
const eventFd = createEventFd();
scope.postMessage({ process: processId(), thread: threadId(), eventFd });
scope.onmessage = () => {
  const ready = new PollSet([{ fd: eventFd, events: POLL.IN }]).wait(5e9);
  const raised = lowerEvent(eventFd);
  const signal = takePending(signalSet(SIGNAL.USR1));
  scope.postMessage({ ready, raised, signal });
  scope.close();
};
