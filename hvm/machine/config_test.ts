import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigError } from "../base/errors.ts";
import { parseDebianChoice } from "../host/debian.ts";
import { parseConfig } from "./config.ts";
import { describeFields } from "./config_notes.ts";

const MIB = 2 ** 20;

/** The message and path `input` is refused with. */
function refusal(input: unknown, options: Parameters<typeof parseConfig>[1] = {}): string {
  try {
    parseConfig(input, options);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return `${error.path} | ${error.message}`;
  }
  throw new assert.AssertionError({ message: `${JSON.stringify(input)} was taken` });
}

Deno.test("parseConfig of nothing is the default machine", () => {
  assert.deepEqual(parseConfig(undefined), {
    kernel: { kind: "debian", choice: { flavour: "cloud" } },
    append: "",
    modules: [],
    bootModules: [],
    protocol: "auto",
    command: [],
    memoryBytes: 512 * MIB,
    cpus: 1,
    cpu: "host",
    acpi: true,
    lapic: true,
    ioapic: true,
    engine: "auto",
    irqchip: "auto",
    clock: "host",
    typed: [],
    blockCache: 16 * MIB,
    onReboot: "exit",
  });
  assert.deepEqual(parseConfig({}), parseConfig(undefined));
});

Deno.test("parseConfig takes every field in each of its forms", () => {
  assert.deepEqual(
    parseConfig({
      kernel: "vmlinux",
      initrd: "initrd.img",
      append: "console=ttyS0",
      bootModules: ["a", "b,x=1,y", { file: "c" }, { file: "d,e", text: "t" }],
      protocol: "pvh",
      memory: "1.5G",
      cpus: 1,
      cpu: "baseline",
      acpi: "off",
      lapic: true,
      ioapic: "on",
      engine: "soft",
      irqchip: "user",
      clock: "instructions",
      typed: ["7:a\\x41\\\\\\n", { at: 8, text: "b\\n" }],
      blockCache: "2M",
      serial: "file:out.log",
      onReboot: "reset",
      timeout: 60_000,
      json: "-",
      trace: "trace.txt",
    }),
    {
      kernel: { kind: "file", path: "vmlinux" },
      initrd: "initrd.img",
      append: "console=ttyS0",
      modules: [],
      bootModules: [
        { file: "a", text: "" },
        { file: "b", text: "x=1,y" },
        { file: "c", text: "" },
        { file: "d,e", text: "t" },
      ],
      protocol: "pvh",
      command: [],
      memoryBytes: 1536 * MIB,
      cpus: 1,
      cpu: "baseline",
      acpi: false,
      lapic: true,
      ioapic: true,
      engine: "soft",
      irqchip: "user",
      clock: "instructions",
      typed: [{ at: 7, text: "aA\\\n" }, { at: 8, text: "b\\n" }],
      blockCache: 2 * MIB,
      serial: { kind: "file", path: "out.log" },
      onReboot: "reset",
      timeoutMs: 60_000,
      json: "-",
      trace: "trace.txt",
    },
  );
  for (
    const text of [
      "debian",
      "debian:6.1",
      "debian:6.12",
      "debian:generic",
      "debian:6.12-generic",
      "debian:cloud",
    ]
  ) {
    assert.deepEqual(parseConfig({ kernel: text }).kernel, {
      kind: "debian",
      choice: parseDebianChoice(text),
    });
  }
  assert.deepEqual(parseConfig({ kernel: "./debian" }).kernel, { kind: "file", path: "./debian" });
  assert.deepEqual(parseConfig({ modules: "virtio_net,nvme" }).modules, ["virtio_net", "nvme"]);
  assert.deepEqual(parseConfig({ modules: ["virtio-net"] }).modules, ["virtio-net"]);
  assert.deepEqual(parseConfig({ command: ["uname", "-a", ""] }).command, ["uname", "-a", ""]);
  assert.equal(parseConfig({ memory: 4096 * 1024 }).memoryBytes, 4096 * 1024);
  assert.equal(parseConfig({ timeout: "2m" }).timeoutMs, 120_000);
  assert.deepEqual(parseConfig({ serial: "null" }).serial, { kind: "null" });
});

Deno.test("parseConfig refuses bad values with one sentence that names the field and the value", () => {
  const cases: [unknown, string][] = [
    [{ memory: 0 }, "memory | Cannot use memory 0: 0 bytes is too little, the least is 1M"],
    [{ memory: "0" }, "memory | Cannot use memory 0: 0 bytes is too little, the least is 1M"],
    [{ memory: 1 }, "memory | Cannot use memory 1: 1 byte is too little, the least is 1M"],
    [
      { memory: "512" },
      "memory | Cannot use memory 512: 512 bytes is too little, the least is 1M; did you mean 512M?",
    ],
    [{ memory: -1 }, "memory | Cannot use memory -1: memory cannot be negative"],
    [{ memory: "-5M" }, "memory | Cannot use memory -5M: memory cannot be negative"],
    [
      { memory: 2 * MIB + 1 },
      "memory | Cannot use memory 2097153: it is not a multiple of the page size, 4K",
    ],
    [{ memory: 1.5 * MIB + .5 }, "memory | Cannot use memory 1572864.5: it is not a whole number of bytes"],
    [{ memory: NaN }, "memory | Cannot use memory NaN: it is not a size such as 512M or 2G"],
    [{ memory: true }, "memory | Cannot use memory true: it is not a size such as 512M or 2G"],
    [{ memory: null }, "memory | Cannot use memory null: it is not a size such as 512M or 2G"],
    [
      { memory: "12Q" },
      "memory | Cannot use memory 12Q: there is no unit Q; units are K, M, G and T (powers of 1024)",
    ],
    [
      { memory: "lots of it" },
      'memory | Cannot use memory "lots of it": it is not a size such as 512M or 2G',
    ],
    [{ cpus: 0 }, "cpus | Cannot use cpus 0: a machine has at least one CPU"],
    [{ cpus: -1 }, "cpus | Cannot use cpus -1: a machine has at least one CPU"],
    [{ cpus: 2 }, "cpus | Cannot use cpus 2: this version runs one CPU for now"],
    [{ cpus: 1000 }, "cpus | Cannot use cpus 1000: a machine has at most 255 CPUs"],
    [{ cpus: 1.5 }, "cpus | Cannot use cpus 1.5: it is not a whole number"],
    [{ cpus: "one" }, "cpus | Cannot use cpus one: it is not a whole number"],
    [{ cpu: "turbo" }, "cpu | Cannot use cpu turbo: it is host or baseline"],
    [{ engine: 1 }, "engine | Cannot use engine 1: it is auto, kvm or soft"],
    [{ irqchip: "apic" }, "irqchip | Cannot use irqchip apic: it is auto, user, split or kernel"],
    [{ acpi: "maybe" }, "acpi | Cannot use acpi maybe: it is on or off"],
    [{ serial: "file:" }, "serial | Cannot use serial file:: it is stdio, null or file:PATH"],
    [{ serial: "tcp" }, "serial | Cannot use serial tcp: it is stdio, null or file:PATH"],
    [
      { kernel: "" },
      'kernel | Cannot use kernel "": it is empty; it takes the path of a kernel file, or debian',
    ],
    [
      { kernel: "debian:7" },
      "kernel | Cannot use kernel debian:7: default guests are named as debian, debian:6.1, debian:6.12, " +
      "debian:generic or debian:6.12-generic",
    ],
    [{ kernel: "a\0b" }, 'kernel | Cannot use kernel "a\\u0000b": it contains a zero byte'],
    [{ timeout: 0 }, "timeout | Cannot use timeout 0: a time is more than nothing"],
    [{ timeout: "60" }, "timeout | Cannot use timeout 60: it has no unit; units are ms, s, m and h"],
    [{ timeout: "1000h" }, "timeout | Cannot use timeout 1000h: the longest time is 24 days"],
    [{ modules: 5 }, "modules | Cannot use modules 5: it is a list, each entry the name of a kernel module"],
    [{ modules: "a,,b" }, "modules.1 | Cannot use modules.1: it is not the name of a kernel module"],
    [{ modules: ["../x"] }, "modules.0 | Cannot use modules.0 ../x: it is not the name of a kernel module"],
    [{ command: "ls" }, "command | Cannot use command ls: it is a list of texts"],
    [
      { kernel: "x", bootModules: [{ file: "a" }, { file: 5 }] },
      "bootModules.1.file | Cannot use bootModules.1.file 5: it is the path of a file, as text",
    ],
    [
      { kernel: "x", bootModules: [{ file: "a", txt: "b" }] },
      "bootModules.0.txt | Cannot use bootModules.0.txt b: there is no such field, did you mean text?",
    ],
    [
      { kernel: "x", bootModules: [5] },
      "bootModules.0 | Cannot use bootModules.0 5: it is FILE or FILE,TEXT",
    ],
    [{ memroy: "1G" }, "memroy | Cannot use memroy 1G: there is no such field, did you mean memory?"],
    [{ frobnicate: 1 }, "frobnicate | Cannot use frobnicate 1: there is no such field"],
    [JSON.parse('{"__proto__": 1}'), "__proto__ | Cannot use __proto__ 1: there is no such field"],
    [{ clock: "tsc" }, "clock | Cannot use clock tsc: it is host or instructions"],
    [
      { clock: "instructions", engine: "kvm" },
      "clock | Cannot use clock instructions: KVM does not count a guest's instructions; take engine soft",
    ],
    [
      { typed: ["5:x"] },
      "typed | Cannot use typed 5:x: instructions are counted with clock instructions only",
    ],
    [
      { clock: "instructions", typed: ["x"] },
      "typed.0 | Cannot use typed.0 x: it is AT:TEXT, with AT a number of instructions",
    ],
    [
      { clock: "instructions", typed: ["5:"] },
      "typed.0.text | Cannot use typed.0.text: it is empty; it takes what is typed",
    ],
    [
      { clock: "instructions", typed: ["999999999999999:x"] },
      "typed.0.at | Cannot use typed.0.at: instructions are counted from 0 to 500000000000000",
    ],
    [{ blockCache: "4K" }, "blockCache | Cannot use blockCache 4K: it is from 1M to 1G"],
    [{ blockCache: "4" }, "blockCache | Cannot use blockCache 4: it is from 1M to 1G"],
    [{ disk: "a.img" }, "disk | Cannot use disk a.img: disks are not there yet in this version"],
    [{ nic: "virtio" }, "nic | Cannot use nic virtio: network cards are not there yet in this version"],
    [{ gdb: 0 }, "gdb | Cannot use gdb 0: a port is 1 to 65535"],
    [{ gdb: "65536" }, "gdb | Cannot use gdb 65536: a port is 1 to 65535"],
    [{ gdb: "-1" }, "gdb | Cannot use gdb -1: a port is 1 to 65535"],
    [{ gdb: 1.5 }, "gdb | Cannot use gdb 1.5: a port is 1 to 65535"],
    [{ gdb: "localhost:1234" }, "gdb | Cannot use gdb localhost:1234: it is a port, or unix:PATH"],
    [{ gdb: true }, "gdb | Cannot use gdb true: it is a port, or unix:PATH"],
    [{ gdb: "unix:" }, "gdb | Cannot use gdb unix:: it is unix: and the path of a socket"],
    [
      { gdb: `unix:/${"x".repeat(107)}` },
      `gdb | Cannot use gdb unix:/${"x".repeat(51)}...: ` +
      "the path of a socket has at most 107 bytes, and this one has 108",
    ],
    [5, " | Cannot use the configuration 5: it is an object"],
    [[], " | Cannot use the configuration []: it is an object"],
  ];
  for (const [input, expected] of cases) assert.equal(refusal(input), expected);
});

Deno.test("parseConfig refuses fields that do not go together", () => {
  const cases: [unknown, RegExp][] = [
    [
      { kernel: "k", command: ["ls"] },
      /^command \| .*only the default guest takes it, and there is a kernel of/,
    ],
    [{ initrd: "i", command: ["ls"] }, /^command \| .*there is an initrd of your own/],
    [{ kernel: "k", modules: "nvme" }, /^modules \| .*only the default guest/],
    [{ bootModules: ["a"] }, /^bootModules \| .*the default guest takes none/],
    [{ lapic: false, ioapic: true }, /^ioapic \| .*without a local APIC/],
    [{ lapic: false, irqchip: "kernel" }, /^irqchip \| .*lapic is off/],
  ];
  for (const [input, expected] of cases) assert.match(refusal(input), expected);
  assert.equal(parseConfig({ lapic: false }).ioapic, false);
  assert.equal(parseConfig({ lapic: false }).irqchip, "user");
  assert.equal(parseConfig({ ioapic: false }).irqchip, "auto");
});

Deno.test("parseConfig keeps memory within the host's", () => {
  assert.equal(
    refusal({ memory: "2G" }, { hostMemoryBytes: 2 ** 30 }),
    "memory | Cannot use memory 2G: the host has 1G",
  );
  assert.equal(parseConfig({ memory: "1G" }, { hostMemoryBytes: 2 ** 30 }).memoryBytes, 2 ** 30);
  assert.match(refusal({}, { hostMemoryBytes: 2 ** 28 }), /^memory \| Cannot use memory: .*256M/);
});

Deno.test("parseConfig spells a field as its front does", () => {
  const spell = (path: string, value?: string) => `--${path}${value === undefined ? "" : `=${value}`}`;
  assert.match(refusal({ cpu: "x" }, { spell }), /Cannot use --cpu=x: /);
});

Deno.test("parseConfig refuses anything else without a fault of its own", () => {
  const known = fc.constantFrom(...describeFields().map(({ name }) => name));
  const value = fc.anything({ withNullPrototype: true, withBigInt: true });
  fc.assert(fc.property(fc.oneof(value, fc.dictionary(known, value)), (input) => {
    try {
      parseConfig(input);
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      assert.ok(!/invalid|undefined/i.test(error.message.replace(/Cannot use .*?:/s, "")), error.message);
    }
  }));
});

Deno.test("describeFields has a sentence and a hint for every field, and words the field takes", () => {
  for (const { name, notes } of describeFields()) {
    assert.match(notes.sentence, /^[A-Z]/, name);
    assert.ok(!notes.sentence.endsWith("."), name);
    assert.notEqual(notes.hint, "", name);
    if (notes.standard !== undefined && name !== "serial") {
      const value = notes.kind === "count" ? Number(notes.standard) : notes.standard;
      assert.deepEqual(parseConfig({ [name]: value }), parseConfig({}), name);
    }
    for (const word of notes.words ?? []) {
      if (word.endsWith(":")) continue;
      parseConfig({ [name]: word });
    }
  }
});
