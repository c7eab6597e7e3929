import assert from "node:assert/strict";
import { HostError } from "../base/errors.ts";
import { cProbe, cProbeTest } from "../testing/c_probe.ts";
import { ERRNO, errnoName } from "./errno.ts";
import { createEventFd, lowerEvent, POLL, PollSet, raiseEvent } from "./events.ts";
import { check, cString, errno, libc } from "./ffi.ts";
import {
  closeFile,
  ioctlInt,
  OPEN,
  openFile,
  pieceOf,
  readSome,
  readVector,
  tryOpen,
  writeSome,
  writeVector,
} from "./files.ts";
import { addressOf, ADVICE, advise, bytesAt, createMemfd, mapAnonymous, mapFile } from "./memory.ts";
import {
  blockSignals,
  hasSignal,
  processId,
  sendSignal,
  setSignalMask,
  SIGNAL,
  signalMask,
  signalSet,
  takePending,
  threadId,
  withoutSignal,
} from "./signals.ts";
import { monotonicNs, ThreadTimer } from "./timers.ts";

cProbeTest("errno numbers are the system's", () => {
  const names = Object.keys(ERRNO);
  const values = cProbe(["errno.h"], names);
  assert.deepEqual(Object.values(ERRNO), values.map(Number));
  assert.ok(names.every((name) => errnoName(ERRNO[name as keyof typeof ERRNO]) === name));
});

cProbeTest("structures and constants of signals, timers and polling are the system's", () => {
  const headers = [
    "signal.h",
    "time.h",
    "poll.h",
    "sys/mman.h",
    "sys/eventfd.h",
    "sys/syscall.h",
    "sys/uio.h",
    "fcntl.h",
  ];
  const expected: [string, number][] = [
    ["sizeof(struct sigevent)", 64],
    ["offsetof(struct sigevent, sigev_signo)", 8],
    ["offsetof(struct sigevent, sigev_notify)", 12],
    ["offsetof(struct sigevent, _sigev_un)", 16],
    ["sizeof(timer_t)", 8],
    ["SIGEV_THREAD_ID", 4],
    ["TIMER_ABSTIME", 1],
    ["CLOCK_MONOTONIC", 1],
    ["sizeof(struct itimerspec)", 32],
    ["offsetof(struct itimerspec, it_value)", 16],
    ["sizeof(struct timespec)", 16],
    ["sizeof(sigset_t)", 128],
    ["SIG_BLOCK", 0],
    ["SIG_SETMASK", 2],
    ["SIGUSR1", SIGNAL.USR1],
    ["SIGUSR2", SIGNAL.USR2],
    ["SIGTERM", SIGNAL.TERM],
    ["SIGHUP", SIGNAL.HUP],
    ["sizeof(struct pollfd)", 8],
    ["offsetof(struct pollfd, revents)", 6],
    ["POLLIN", POLL.IN],
    ["POLLOUT", POLL.OUT],
    ["POLLNVAL", POLL.NVAL],
    ["EFD_CLOEXEC", 0o2000000],
    ["EFD_NONBLOCK", 0o4000],
    ["O_CLOEXEC", 0o2000000],
    ["O_RDWR", OPEN.READ_WRITE],
    ["O_CREAT", OPEN.CREATE],
    ["O_EXCL", OPEN.EXCLUSIVE],
    ["O_TRUNC", OPEN.TRUNCATE],
    ["O_NONBLOCK", OPEN.NONBLOCK],
    ["O_DIRECT", OPEN.DIRECT],
    ["MAP_SHARED", 1],
    ["MAP_PRIVATE", 2],
    ["MAP_FIXED", 0x10],
    ["MAP_ANONYMOUS", 0x20],
    ["MAP_NORESERVE", 0x4000],
    ["MFD_CLOEXEC", 1],
    ["MFD_HUGETLB", 4],
    ["MADV_DONTNEED", ADVICE.DONTNEED],
    ["MADV_REMOVE", ADVICE.REMOVE],
    ["MADV_DONTFORK", ADVICE.DONTFORK],
    ["MADV_HUGEPAGE", ADVICE.HUGEPAGE],
    ["MADV_DONTDUMP", ADVICE.DONTDUMP],
    ["MADV_POPULATE_WRITE", ADVICE.POPULATE_WRITE],
    ["SYS_getpid", 39],
    ["SYS_gettid", 186],
    ["SYS_tgkill", 234],
    ["sizeof(struct iovec)", 16],
    ["IOV_MAX", 1024],
  ];
  const values = cProbe([...headers, "limits.h"], expected.map(([text]) => text));
  assert.deepEqual(expected.map(([text], i) => [text, Number(values[i])]), expected);
});

Deno.test("errno survives between a failing call and its reading, compiled or not", () => {
  const path = cString("/nonexistent/file");
  for (let i = 0; i < 50_000; i++) {
    const fd = libc().open(path, 0, 0);
    const error = errno();
    assert.ok(fd === -1 && error === ERRNO.ENOENT);
    assert.equal(ioctlInt(-1, 1, 0), -ERRNO.EBADF);
  }
});

Deno.test("a refused call names the goal, the call and the errno", () => {
  assert.throws(() => openFile("/nonexistent/file", OPEN.READ_ONLY), (error) => {
    assert.ok(error instanceof HostError);
    assert.equal(error.errno, "ENOENT");
    assert.equal(error.operation, "open");
    assert.match(error.message, /^Cannot open \/nonexistent\/file: open failed with ENOENT \(there is no/);
    return true;
  });
  assert.equal(tryOpen("/nonexistent/file", OPEN.READ_ONLY), -ERRNO.ENOENT);
  assert.equal(check(0, "do nothing", "none"), 0);
  assert.throws(() => cString("a\0b"), RangeError);
});

Deno.test("two mappings of one memfd are the same memory, a private one is a clone", () => {
  const fd = createMemfd("test", 0x4000);
  const first = mapFile(fd, 0x4000);
  const second = mapFile(fd, 0x1000, { offset: 0x1000 });
  first.bytes[0x1000] = 42;
  assert.equal(second.bytes[0], 42);
  const clone = mapFile(fd, 0x4000, { private: true });
  clone.bytes[0x1000] = 43;
  assert.equal(first.bytes[0x1000], 42);
  assert.equal(bytesAt(first.address + 0x1000, 1)[0], 42);
  assert.equal(addressOf(first.bytes.subarray(0x1000)), first.address + 0x1000);
  assert.equal(advise(first.address, 0x4000, ADVICE.DONTDUMP), true);
  assert.equal(advise(first.address + 1, 0x4000, ADVICE.DONTDUMP), false);
  for (const mapping of [first, second, clone]) {
    mapping.unmap();
    mapping.unmap();
  }
  closeFile(fd);
});

Deno.test("a memfd can be mapped over a shared WebAssembly.Memory", () => {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
  const over = new Uint8Array(memory.buffer);
  const fd = createMemfd("test", over.length);
  const other = mapFile(fd, over.length);
  mapFile(fd, over.length, { at: addressOf(over) });
  over[100] = 7;
  assert.equal(other.bytes[100], 7);
  other.bytes[65536] = 9;
  assert.equal(over[65536], 9);
  other.unmap();
  closeFile(fd);
});

Deno.test("mapping what cannot be mapped is refused by name", () => {
  assert.throws(() => mapFile(-1, 4096), { name: "HostError", errno: "EBADF", operation: "mmap" });
  assert.throws(() => createMemfd("test", -1), { name: "HostError", errno: "EINVAL" });
});

Deno.test("vectors read and write several pieces at an offset", () => {
  const fd = createMemfd("test", 100);
  const area = mapAnonymous(4096);
  area.bytes.set([1, 2, 3, 4]);
  const tail = Uint8Array.of(5, 6);
  assert.equal(writeVector(fd, [{ address: area.address, length: 4 }, pieceOf(tail)], 90), 6);
  const got = new Uint8Array(4);
  const rest = new Uint8Array(20);
  assert.equal(readVector(fd, [pieceOf(got), pieceOf(new Uint8Array(0)), pieceOf(rest)], 91), 9);
  assert.deepEqual([...got], [2, 3, 4, 5]);
  assert.equal(rest[0], 6);
  assert.throws(() => readVector(-1, [pieceOf(got)], 0), { name: "HostError", errno: "EBADF" });
  area.unmap();
  closeFile(fd);
});

Deno.test("more pieces than the kernel takes at once are moved all the same", () => {
  const fd = createMemfd("test", 0);
  const bytes = Uint8Array.from({ length: 3000 }, (_, i) => i);
  const pieces = Array.from({ length: 3000 }, (_, i) => pieceOf(bytes.subarray(i, i + 1)));
  assert.equal(writeVector(fd, pieces, 0), 3000);
  const back = new Uint8Array(3000);
  assert.equal(readVector(fd, [pieceOf(back)], 0), 3000);
  assert.deepEqual(back, bytes);
  closeFile(fd);
});

Deno.test("reading from an event that is not raised has nothing yet", () => {
  const fd = createEventFd();
  assert.equal(readSome(fd, new Uint8Array(8)), -1);
  assert.equal(lowerEvent(fd), false);
  raiseEvent(fd);
  raiseEvent(fd);
  assert.equal(lowerEvent(fd), true);
  assert.equal(lowerEvent(fd), false);
  assert.equal(writeSome(fd, new Uint8Array(BigUint64Array.of(3n).buffer)), 8);
  assert.equal(readSome(fd, new Uint8Array(8)), 8);
  closeFile(fd);
  assert.throws(() => readSome(fd, new Uint8Array(8)), { name: "HostError", errno: "EBADF" });
});

Deno.test("PollSet waits no longer than asked and says what is ready", () => {
  const [a, b] = [createEventFd(), createEventFd()];
  const set = new PollSet([{ fd: a, events: POLL.IN }, { fd: b, events: POLL.IN }]);
  const start = monotonicNs();
  assert.equal(set.wait(2_000_000), 0);
  assert.ok(monotonicNs() - start >= 2_000_000);
  assert.equal(set.wait(-5), 0);
  raiseEvent(b);
  assert.equal(set.wait(Infinity), 1);
  assert.deepEqual([set.ready(0), set.ready(1)], [0, POLL.IN]);
  closeFile(a);
  closeFile(b);
});

Deno.test("signal sets hold the signals given", () => {
  const set = signalSet(SIGNAL.USR1, SIGNAL.TERM);
  assert.ok(hasSignal(set, SIGNAL.USR1) && hasSignal(set, SIGNAL.TERM) && !hasSignal(set, SIGNAL.USR2));
  assert.ok(!hasSignal(withoutSignal(set, SIGNAL.USR1), SIGNAL.USR1));
  assert.equal(set[1], 0x42); // signals 10 and 15 are bits 9 and 14
});

Deno.test("a blocked signal stays pending until it is taken", () => {
  const before = blockSignals(SIGNAL.USR2);
  try {
    assert.ok(hasSignal(signalMask(), SIGNAL.USR2));
    const set = signalSet(SIGNAL.USR2);
    assert.equal(takePending(set), 0);
    assert.equal(sendSignal(processId(), threadId(), SIGNAL.USR2), true);
    assert.equal(takePending(set), SIGNAL.USR2);
    assert.equal(takePending(set), 0);
  } finally {
    setSignalMask(before);
  }
  assert.equal(sendSignal(processId(), 0x3fffff, SIGNAL.USR2), false);
});

Deno.test("ThreadTimer sends its signal to the thread, once, and not when disarmed", () => {
  const before = blockSignals(SIGNAL.USR2);
  const timer = new ThreadTimer(threadId(), SIGNAL.USR2);
  const idle = createEventFd();
  const wait = (ns: number) => new PollSet([{ fd: idle, events: POLL.IN }]).wait(ns);
  try {
    const set = signalSet(SIGNAL.USR2);
    timer.arm(monotonicNs() - 1000);
    for (let i = 0; i < 1000 && takePending(set) === 0; i++) wait(100_000);
    assert.equal(takePending(set), 0);
    timer.arm(monotonicNs() + 1_000_000);
    timer.arm(Infinity);
    wait(3_000_000);
    assert.equal(takePending(set), 0);
    const deadline = monotonicNs() + 1_000_000;
    timer.arm(deadline);
    assert.equal(timer.deadline, deadline);
    wait(3_000_000);
    assert.equal(takePending(set), SIGNAL.USR2);
  } finally {
    timer.delete();
    setSignalMask(before);
    closeFile(idle);
  }
});

Deno.test("another thread is woken from ppoll by the event and finds the signal", async () => {
  const worker = new Worker(new URL("./sys_worker_rig.ts", import.meta.url).href, { type: "module" });
  const next = () => new Promise<Record<string, number>>((done) => worker.onmessage = (e) => done(e.data));
  const { process, thread, eventFd } = await next() as { process: number; thread: number; eventFd: number };
  assert.notEqual(thread, threadId());
  worker.postMessage(0);
  const answer = next();
  sendSignal(process, thread, SIGNAL.USR1);
  raiseEvent(eventFd);
  assert.deepEqual(await answer, { ready: 1, raised: true, signal: SIGNAL.USR1 });
  worker.terminate();
  closeFile(eventFd);
});
