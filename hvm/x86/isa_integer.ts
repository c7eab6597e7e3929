/**
 * Rows of the integer instructions. isa.ts has the legend.
 *
 * Sources: [SDM] vol. 2, the instructions' own pages and appendix A (opcode maps); [APM] vol. 3, appendix A.
 * @module
 */

const hex = (value: number) => value.toString(16).toUpperCase().padStart(2, "0");

/** Opcodes 00-3F, 80, 81, 82 and 83, in the order of their /digit. */
const EIGHT = ["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"].map((name, n) => {
  const op = (low: number) => hex(n * 8 + low);
  const to = name === "cmp" ? "r" : "m";
  const flags = { or: "logic", and: "logic", xor: "logic", adc: "r:c arith", sbb: "r:c arith" }[name] ??
    "arith";
  const rest = `${to}r | ${flags} | alu`;
  const lock = name === "cmp" ? "" : " lock";
  return `
${op(0)} /r     | ${name} Eb,Gb    | ${rest}${lock}
${op(1)} /r     | ${name} Ev,Gv    | ${rest}${lock}
${op(2)} /r     | ${name} Gb,Eb    | ${rest}
${op(3)} /r     | ${name} Gv,Ev    | ${rest}
${op(4)} ib     | ${name} AL,Ib    | ${rest}
${op(5)} iz     | ${name} rAX,Iz   | ${rest}
80 /${n} ib     | ${name} Eb,Ib    | ${rest}${lock}
81 /${n} iz     | ${name} Ev,Iz    | ${rest}${lock}
82 /${n} ib     | ${name} Eb,Ib    | ${rest}${lock} i64
83 /${n} ib     | ${name} Ev,Ibs   | ${rest}${lock}`;
}).join("");

/** Opcodes C0, C1 and D0-D3. /6 is /4 again on every processor, [APM] table A-7. A count of zero keeps all flags. */
const SHIFTS = ["rol", "ror", "rcl", "rcr", "shl", "shr", "shl", "sar"].map((name, n) => {
  const rotate = n < 4;
  const carry = name.startsWith("rc") ? "r:c " : "";
  const flags = rotate ? `${carry}w:oc u:o k:oc` : "w:oszpc u:oa k:oszapc";
  const once = rotate ? `${carry}w:oc` : "w:oszpc u:a";
  return `
C0 /${n} ib     | ${name} Eb,Ib    | mr | ${flags} | shift
C1 /${n} ib     | ${name} Ev,Ib    | mr | ${flags} | shift
D0 /${n}        | ${name} Eb,1     | mr | ${once}  | shift
D1 /${n}        | ${name} Ev,1     | mr | ${once}  | shift
D2 /${n}        | ${name} Eb,CL    | mr | ${flags} | shift
D3 /${n}        | ${name} Ev,CL    | mr | ${flags} | shift`;
}).join("");

/** What each condition reads, in the order of its four bits. [SDM] vol. 1, appendix B */
const CONDITIONS = "o:o no:o b:c ae:c e:z ne:z be:cz a:cz s:s ns:s p:p np:p l:so ge:so le:zso g:zso"
  .split(" ").map((entry, n) => {
    const [name, flags] = entry.split(":");
    return `
${hex(0x70 + n)} cb      | j${name} Jb       | r   | r:${flags} | branch f64 =jcc
0F ${hex(0x80 + n)} cz   | j${name} Jz       | r   | r:${flags} | branch f64 =jcc
0F ${hex(0x90 + n)} /r   | set${name} Eb     | w   | r:${flags} | move =setcc
0F ${hex(0x40 + n)} /r   | cmov${name} Gv,Ev | mr  | r:${flags} | move =cmovcc @CMOV`;
  }).join("");

const ONE_BYTE = `
27              | daa             |     | r:ac w:szapc u:o    | bcd i64
2F              | das             |     | r:ac w:szapc u:o    | bcd i64
37              | aaa             |     | r:a w:ac u:oszp     | bcd i64
3F              | aas             |     | r:a w:ac u:oszp     | bcd i64
40+r            | inc Zv          | m   | w:oszap             | alu i64
48+r            | dec Zv          | m   | w:oszap             | alu i64
50+r            | push Zv         | r   |                     | stack d64
58+r            | pop Zv          | w   |                     | stack d64
60              | pusha/pushad    |     |                     | stack i64
61              | popa/popad      |     |                     | stack i64
62 /r           | bound Gz,Ma     | rr  |                     | move i64
63 /r           | arpl Ew,Gw      | mr  | w:z                 | segment i64 pm
63 /r           | movsxd Gv,Ez    | wr  |                     | move o64
68 iz           | push Iz         | r   |                     | stack d64
69 /r iz        | imul Gv,Ev,Iz   | wrr | w:oc u:szap         | muldiv =imul2
6A ib           | push Ibs        | r   |                     | stack d64
6B /r ib        | imul Gv,Ev,Ibs  | wrr | w:oc u:szap         | muldiv =imul2
6C              | ins Yb,DX       | wr  | r:d                 | io iopl rep
6D              | ins Yz,DX       | wr  | r:d                 | io iopl rep
6E              | outs DX,Xb      | rr  | r:d                 | io iopl rep
6F              | outs DX,Xz      | rr  | r:d                 | io iopl rep
84 /r           | test Eb,Gb      | rr  | logic               | alu
85 /r           | test Ev,Gv      | rr  | logic               | alu
86 /r           | xchg Eb,Gb      | mm  |                     | move lock
87 /r           | xchg Ev,Gv      | mm  |                     | move lock
88 /r           | mov Eb,Gb       | wr  |                     | move
89 /r           | mov Ev,Gv       | wr  |                     | move
8A /r           | mov Gb,Eb       | wr  |                     | move
8B /r           | mov Gv,Ev       | wr  |                     | move
8D /r           | lea Gv,M        | w-  |                     | move
8F /0           | pop Ev          | w   |                     | stack d64
90 REX.B0       | nop             |     |                     | nop
F3 90 REX.B0    | pause           |     |                     | nop
90 REX.B1       | xchg Zv,rAX     | mm  |                     | move
91              | xchg Zv,rAX     | mm  |                     | move
92              | xchg Zv,rAX     | mm  |                     | move
93              | xchg Zv,rAX     | mm  |                     | move
94              | xchg Zv,rAX     | mm  |                     | move
95              | xchg Zv,rAX     | mm  |                     | move
96              | xchg Zv,rAX     | mm  |                     | move
97              | xchg Zv,rAX     | mm  |                     | move
98              | cbw/cwde/cdqe   |     |                     | move
99              | cwd/cdq/cqo     |     |                     | move
9C              | pushf/pushfd/pushfq |   | r:oszapcditnlxv    | flag d64 iopl
9D              | popf/popfd/popfq |    | w:oszapcditnlx      | flag d64 iopl end
9E              | sahf            |     | w:szapc             | flag
9F              | lahf            |     | r:szapc             | flag
A0 ob           | mov AL,Ob       | wr  |                     | move
A1 ov           | mov rAX,Ov      | wr  |                     | move
A2 ob           | mov Ob,AL       | wr  |                     | move
A3 ov           | mov Ov,rAX      | wr  |                     | move
A4              | movs Yb,Xb      | wr  | r:d                 | string rep
A5              | movs Yv,Xv      | wr  | r:d                 | string rep
A6              | cmps Xb,Yb      | rr  | r:d arith k:oszapc  | string repcc
A7              | cmps Xv,Yv      | rr  | r:d arith k:oszapc  | string repcc
A8 ib           | test AL,Ib      | rr  | logic               | alu
A9 iz           | test rAX,Iz     | rr  | logic               | alu
AA              | stos Yb,AL      | wr  | r:d                 | string rep
AB              | stos Yv,rAX     | wr  | r:d                 | string rep
AC              | lods AL,Xb      | wr  | r:d                 | string rep
AD              | lods rAX,Xv     | wr  | r:d                 | string rep
AE              | scas AL,Yb      | rr  | r:d arith k:oszapc  | string repcc
AF              | scas rAX,Yv     | rr  | r:d arith k:oszapc  | string repcc
B0+r ib         | mov Zb,Ib       | wr  |                     | move
B8+r iv         | mov Zv,Iv       | wr  |                     | move
C2 iw           | ret Iw          | r   |                     | ret f64
C3              | ret             |     |                     | ret f64
C6 /0 ib        | mov Eb,Ib       | wr  |                     | move
C7 /0 iz        | mov Ev,Iz       | wr  |                     | move
C6 F8 ib        | xabort Ib       | r   |                     | system @RTM
C7 F8 cz        | xbegin Jz       | r   |                     | branch @RTM
C8 iw ib        | enter Iw,Ib     | rr  |                     | stack d64
C9              | leave           |     |                     | stack d64
D4 ib           | aam Ib          | r   | w:szp u:oac         | bcd i64 de
D5 ib           | aad Ib          | r   | w:szp u:oac         | bcd i64
// Undocumented, in every processor: AL = CF ? FFh : 0. [APM] table A-1 leaves the cell empty
D6              | salc            |     | r:c                 | bcd i64
D7              | xlat Tb         | r   |                     | move
E0 cb           | loopne Jb       | r   | r:z                 | branch f64
E1 cb           | loope Jb        | r   | r:z                 | branch f64
E2 cb           | loop Jb         | r   |                     | branch f64
E3 cb           | jcxz/jecxz/jrcxz Jb | r |                   | branch f64 byaddr
E4 ib           | in AL,Ib        | wr  |                     | io iopl
E5 ib           | in eAX,Ib       | wr  |                     | io iopl
E6 ib           | out Ib,AL       | rr  |                     | io iopl
E7 ib           | out Ib,eAX      | rr  |                     | io iopl
EC              | in AL,DX        | wr  |                     | io iopl
ED              | in eAX,DX       | wr  |                     | io iopl
EE              | out DX,AL       | rr  |                     | io iopl
EF              | out DX,eAX      | rr  |                     | io iopl
E8 cz           | call Jz         | r   |                     | call f64
E9 cz           | jmp Jz          | r   |                     | branch f64
EB cb           | jmp Jb          | r   |                     | branch f64
F5              | cmc             |     | r:c w:c             | flag
F6 /0 ib        | test Eb,Ib      | rr  | logic               | alu
F6 /1 ib        | test Eb,Ib      | rr  | logic               | alu
F6 /2           | not Eb          | m   |                     | alu lock
F6 /3           | neg Eb          | m   | arith               | alu lock
F6 /4           | mul Eb          | r   | w:oc u:szap         | muldiv
F6 /5           | imul Eb         | r   | w:oc u:szap         | muldiv
F6 /6           | div Eb          | r   | u:oszapc            | muldiv de
F6 /7           | idiv Eb         | r   | u:oszapc            | muldiv de
F7 /0 iz        | test Ev,Iz      | rr  | logic               | alu
F7 /1 iz        | test Ev,Iz      | rr  | logic               | alu
F7 /2           | not Ev          | m   |                     | alu lock
F7 /3           | neg Ev          | m   | arith               | alu lock
F7 /4           | mul Ev          | r   | w:oc u:szap         | muldiv
F7 /5           | imul Ev         | r   | w:oc u:szap         | muldiv
F7 /6           | div Ev          | r   | u:oszapc            | muldiv de
F7 /7           | idiv Ev         | r   | u:oszapc            | muldiv de
F8              | clc             |     | 0:c                 | flag
F9              | stc             |     | 1:c                 | flag
FC              | cld             |     | 0:d                 | flag
FD              | std             |     | 1:d                 | flag
FE /0           | inc Eb          | m   | w:oszap             | alu lock
FE /1           | dec Eb          | m   | w:oszap             | alu lock
FF /0           | inc Ev          | m   | w:oszap             | alu lock
FF /1           | dec Ev          | m   | w:oszap             | alu lock
FF /2           | call Ev         | r   |                     | call f64
FF /4           | jmp Ev          | r   |                     | branch f64
FF /6           | push Ev         | r   |                     | stack d64
`;

const TWO_BYTES = `
0F A3 /r        | bt Ev,Gv        | rr  | w:c u:osap          | bit
0F A4 /r ib     | shld Ev,Gv,Ib   | mrr | w:oszpc u:oszapc k:oszapc | shift
0F A5 /r        | shld Ev,Gv,CL   | mrr | w:oszpc u:oszapc k:oszapc | shift
0F AB /r        | bts Ev,Gv       | mr  | w:c u:osap          | bit lock
0F AC /r ib     | shrd Ev,Gv,Ib   | mrr | w:oszpc u:oszapc k:oszapc | shift
0F AD /r        | shrd Ev,Gv,CL   | mrr | w:oszpc u:oszapc k:oszapc | shift
0F AF /r        | imul Gv,Ev      | mr  | w:oc u:szap         | muldiv =imul2
0F B0 /r        | cmpxchg Eb,Gb   | mr  | arith               | move lock
0F B1 /r        | cmpxchg Ev,Gv   | mr  | arith               | move lock
0F B3 /r        | btr Ev,Gv       | mr  | w:c u:osap          | bit lock
0F B6 /r        | movzx Gv,Eb     | wr  |                     | move
0F B7 /r        | movzx Gv,Ew     | wr  |                     | move
F3 0F B8 /r     | popcnt Gv,Ev    | wr  | w:z 0:osapc         | bit @POPCNT
0F BA /4 ib     | bt Ev,Ib        | rr  | w:c u:osap          | bit
0F BA /5 ib     | bts Ev,Ib       | mr  | w:c u:osap          | bit lock
0F BA /6 ib     | btr Ev,Ib       | mr  | w:c u:osap          | bit lock
0F BA /7 ib     | btc Ev,Ib       | mr  | w:c u:osap          | bit lock
0F BB /r        | btc Ev,Gv       | mr  | w:c u:osap          | bit lock
// The destination keeps its value when the source is zero: undefined in [SDM], defined in [APM], and relied upon.
0F BC /r        | bsf Gv,Ev       | mr  | w:z u:osapc         | bit
0F BD /r        | bsr Gv,Ev       | mr  | w:z u:osapc         | bit
F3 0F BC /r     | tzcnt Gv,Ev     | wr  | w:zc u:osap         | bit @BMI1 else=bsf
F3 0F BD /r     | lzcnt Gv,Ev     | wr  | w:zc u:osap         | bit @LZCNT else=bsr
0F BE /r        | movsx Gv,Eb     | wr  |                     | move
0F BF /r        | movsx Gv,Ew     | wr  |                     | move
0F C0 /r        | xadd Eb,Gb      | mm  | arith               | alu lock
0F C1 /r        | xadd Ev,Gv      | mm  | arith               | alu lock
NP 0F C3 /r     | movnti My,Gy    | wr  |                     | move @SSE2
0F C7 /1 REX.W0 | cmpxchg8b Mq    | m   | w:z                 | move lock @CX8
0F C7 /1 REX.W1 | cmpxchg16b Mdq  | m   | w:z                 | move lock al16 @CX16
NFx 0F C7 /6    | rdrand Rv       | w   | w:c 0:oszap         | system @RDRAND
NFx 0F C7 /7    | rdseed Rv       | w   | w:c 0:oszap         | system @RDSEED
// A 16-bit operand is undefined in [SDM] and [APM]; processors clear the low word.
0F C8+r         | bswap Zv        | m   |                     | bit
// The reserved no-operations, and the hints in their midst.
0F 0D /0        | prefetch Mb     | -   |                     | nop =nop
0F 0D /1        | prefetchw Mb    | -   |                     | nop =nop @PREFETCHW else=nop
0F 0D /2        | prefetchwt1 Mb  | -   |                     | nop =nop
0F 0D /3        | prefetch Mb     | -   |                     | nop =nop
0F 0D /4        | prefetch Mb     | -   |                     | nop =nop
0F 0D /5        | prefetch Mb     | -   |                     | nop =nop
0F 0D /6        | prefetch Mb     | -   |                     | nop =nop
0F 0D /7        | prefetch Mb     | -   |                     | nop =nop
0F 0D /r        | nop Rv          | -   |                     | nop
0F 18 /0        | prefetchnta Mb  | -   |                     | nop =nop
0F 18 /1        | prefetcht0 Mb   | -   |                     | nop =nop
0F 18 /2        | prefetcht1 Mb   | -   |                     | nop =nop
0F 18 /3        | prefetcht2 Mb   | -   |                     | nop =nop
0F 18 /4        | nop Mv          | -   |                     | nop
0F 18 /5        | nop Mv          | -   |                     | nop
0F 18 /6        | nop Mv          | -   |                     | nop
0F 18 /7        | nop Mv          | -   |                     | nop
0F 18 /r        | nop Rv          | -   |                     | nop
0F 19 /r        | nop Ev          | -   |                     | nop
0F 1A /r        | nop Ev          | -   |                     | nop
0F 1B /r        | nop Ev          | -   |                     | nop
NP 0F 1C /0     | cldemote Mb     | -   |                     | nop @CLDEMOTE else=nop
0F 1C /r        | nop Ev          | -   |                     | nop
0F 1D /r        | nop Ev          | -   |                     | nop
0F 1E /r        | nop Ev          | -   |                     | nop
F3 0F 1E FA     | endbr64         |     |                     | nop
F3 0F 1E FB     | endbr32         |     |                     | nop
0F 1F /r        | nop Ev          | -   |                     | nop
NFx 0F 38 F0 /r | movbe Gv,Mv     | wr  |                     | move @MOVBE
NFx 0F 38 F1 /r | movbe Mv,Gv     | wr  |                     | move @MOVBE
F2 0F 38 F0 /r  | crc32 Gy,Eb     | mr  |                     | bit @SSE4_2
F2 0F 38 F1 /r  | crc32 Gy,Ev     | mr  |                     | bit @SSE4_2
66 0F 38 F6 /r  | adcx Gy,Ey      | mr  | r:c w:c             | alu @ADX
F3 0F 38 F6 /r  | adox Gy,Ey      | mr  | r:o w:o             | alu @ADX
66 0F 38 F8 /r  | movdir64b Ga,M64 | rr |                     | move @MOVDIR64B
NP 0F 38 F9 /r  | movdiri My,Gy   | wr  |                     | move @MOVDIRI
`;

/** BMI1 and BMI2. VEX.W chooses 64 bits in 64-bit code only. */
const VEX = `
VEX.LZ.NP.0F38 F2 /r    | andn Gy,By,Ey  | wrr | w:sz u:ap 0:oc  | alu @BMI1
VEX.LZ.NP.0F38 F3 /1    | blsr By,Ey     | wr  | w:szc u:ap 0:o  | bit @BMI1
VEX.LZ.NP.0F38 F3 /2    | blsmsk By,Ey   | wr  | w:sc u:ap 0:zo  | bit @BMI1
VEX.LZ.NP.0F38 F3 /3    | blsi By,Ey     | wr  | w:szc u:ap 0:o  | bit @BMI1
VEX.LZ.NP.0F38 F5 /r    | bzhi Gy,Ey,By  | wrr | w:szc u:ap 0:o  | bit @BMI2
VEX.LZ.F3.0F38 F5 /r    | pext Gy,By,Ey  | wrr |                 | bit @BMI2
VEX.LZ.F2.0F38 F5 /r    | pdep Gy,By,Ey  | wrr |                 | bit @BMI2
VEX.LZ.F2.0F38 F6 /r    | mulx Gy,By,Ey  | wwr |                 | muldiv @BMI2
VEX.LZ.NP.0F38 F7 /r    | bextr Gy,Ey,By | wrr | w:z u:sap 0:oc  | bit @BMI1
VEX.LZ.66.0F38 F7 /r    | shlx Gy,Ey,By  | wrr |                 | shift @BMI2
VEX.LZ.F3.0F38 F7 /r    | sarx Gy,Ey,By  | wrr |                 | shift @BMI2
VEX.LZ.F2.0F38 F7 /r    | shrx Gy,Ey,By  | wrr |                 | shift @BMI2
VEX.LZ.F2.0F3A F0 /r ib | rorx Gy,Ey,Ib  | wrr |                 | shift @BMI2
`;

/** All integer rows as text, one a line. */
export const INTEGER_ROWS: string = EIGHT + SHIFTS + CONDITIONS + ONE_BYTE + TWO_BYTES + VEX;
