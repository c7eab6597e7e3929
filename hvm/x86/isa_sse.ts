/**
 * Rows of MMX, SSE to SSE4.2, SSE4a, AES, PCLMULQDQ, SHA and GFNI (in their SSE encodings). isa.ts has the legend.
 *
 * A memory operand of 16 bytes must be aligned unless its row says `unal`.
 *
 * Sources: [SDM] vol. 2, the instructions' own pages and appendix A (opcode maps); [APM] vol. 4 and 5.
 * @module
 */

/** Operations with an MMX and an SSE2 form. A word before the colon is the gate of the MMX form. */
const PAIRS = `
MMX: 60 punpcklbw! 61 punpcklwd! 62 punpckldq! 63 packsswb 64 pcmpgtb 65 pcmpgtw 66 pcmpgtd 67 packuswb
MMX: 68 punpckhbw 69 punpckhwd 6A punpckhdq 6B packssdw 74 pcmpeqb 75 pcmpeqw 76 pcmpeqd
MMX: D1 psrlw D2 psrld D3 psrlq D5 pmullw D8 psubusb D9 psubusw DB pand DC paddusb DD paddusw DF pandn
MMX: E1 psraw E2 psrad E5 pmulhw E8 psubsb E9 psubsw EB por EC paddsb ED paddsw EF pxor
MMX: F1 psllw F2 pslld F3 psllq F5 pmaddwd F8 psubb F9 psubw FA psubd FC paddb FD paddw FE paddd
SSE: DA pminub DE pmaxub E0 pavgb E3 pavgw E4 pmulhuw EA pminsw EE pmaxsw F6 psadbw
SSE2: D4 paddq F4 pmuludq FB psubq
SSSE3: 3800 pshufb 3801 phaddw 3802 phaddd 3803 phaddsw 3804 pmaddubsw 3805 phsubw 3806 phsubd 3807 phsubsw
SSSE3: 3808 psignb 3809 psignw 380A psignd 380B pmulhrsw 381C pabsb! 381D pabsw! 381E pabsd!
`.trim().split("\n").flatMap((line) => {
  const [gate = "", list = ""] = line.split(": ");
  const words = list.split(" ");
  return Array.from({ length: words.length / 2 }, (_, n) => {
    const opcode = `0F ${(words[2 * n] ?? "").replace(/^38/, "38 ")}`;
    const marked = words[2 * n + 1] ?? "";
    const name = marked.replace("!", "");
    // The low unpacks read four bytes of an MMX operand; pabs only writes its first.
    const source = marked.startsWith("punpckl") ? "Qd" : "Qq";
    const access = name.startsWith("pabs") ? "wr" : "mr";
    return `
NP ${opcode} /r | ${name} Pq,${source} | ${access} | | mmx @${gate}
66 ${opcode} /r | ${name} Vdq,Wdq | ${access} | | sse @${gate === "SSSE3" ? gate : "SSE2"}`;
  });
}).join("");

/** Operations on packed and scalar, single and double numbers. `*` only writes its first operand. */
const QUADRUPLES = "51 sqrt* 58 add 59 mul 5C sub 5D min 5E div 5F max C2 cmp".split(" ").flatMap(
  (_, n, words) => {
    if (n % 2 === 1) return [];
    const opcode = words[n] ?? "";
    const name = (words[n + 1] ?? "").replace("*", "");
    const access = name === "sqrt" ? "wr" : "mr";
    const immediate = name === "cmp" ? " ib" : "";
    const third = name === "cmp" ? ",Ib" : "";
    const rest = `${access}${name === "cmp" ? "r" : ""} | | sse`;
    return `
NP 0F ${opcode} /r${immediate} | ${name}ps Vps,Wps${third} | ${rest} @SSE
66 0F ${opcode} /r${immediate} | ${name}pd Vpd,Wpd${third} | ${rest} @SSE2
F3 0F ${opcode} /r${immediate} | ${name}ss Vss,Wss${third} | ${name === "sqrt" ? `mr | | sse` : rest} @SSE
F2 0F ${opcode} /r${immediate} | ${name}sd Vsd,Wsd${third} | ${name === "sqrt" ? `mr | | sse` : rest} @SSE2`;
  },
).join("");

const MOVES = `
NP 0F 10 /r     | movups Vps,Wps  | wr  |                     | sse unal @SSE
66 0F 10 /r     | movupd Vpd,Wpd  | wr  |                     | sse unal @SSE2
F3 0F 10 /r     | movss Vss,Wss   | wr  |                     | sse @SSE
F2 0F 10 /r     | movsd Vsd,Wsd   | wr  |                     | sse @SSE2
NP 0F 11 /r     | movups Wps,Vps  | wr  |                     | sse unal @SSE
66 0F 11 /r     | movupd Wpd,Vpd  | wr  |                     | sse unal @SSE2
F3 0F 11 /r     | movss Wss,Vss   | wr  |                     | sse @SSE
F2 0F 11 /r     | movsd Wsd,Vsd   | wr  |                     | sse @SSE2
NP 0F 12 /r     | movlps Vq,Mq    | mr  |                     | sse @SSE
NP 0F 12 /r     | movhlps Vq,Udq  | mr  |                     | sse @SSE
66 0F 12 /r     | movlpd Vq,Mq    | mr  |                     | sse @SSE2
F3 0F 12 /r     | movsldup Vps,Wps | wr |                     | sse @SSE3
F2 0F 12 /r     | movddup Vdq,Wq  | wr  |                     | sse @SSE3
NP 0F 13 /r     | movlps Mq,Vq    | wr  |                     | sse @SSE
66 0F 13 /r     | movlpd Mq,Vq    | wr  |                     | sse @SSE2
NP 0F 14 /r     | unpcklps Vps,Wps | mr |                     | sse @SSE
66 0F 14 /r     | unpcklpd Vpd,Wpd | mr |                     | sse @SSE2
NP 0F 15 /r     | unpckhps Vps,Wps | mr |                     | sse @SSE
66 0F 15 /r     | unpckhpd Vpd,Wpd | mr |                     | sse @SSE2
NP 0F 16 /r     | movhps Vq,Mq    | mr  |                     | sse @SSE
NP 0F 16 /r     | movlhps Vdq,Uq  | mr  |                     | sse @SSE
66 0F 16 /r     | movhpd Vq,Mq    | mr  |                     | sse @SSE2
F3 0F 16 /r     | movshdup Vps,Wps | wr |                     | sse @SSE3
NP 0F 17 /r     | movhps Mq,Vq    | wr  |                     | sse @SSE
66 0F 17 /r     | movhpd Mq,Vq    | wr  |                     | sse @SSE2
NP 0F 28 /r     | movaps Vps,Wps  | wr  |                     | sse @SSE
66 0F 28 /r     | movapd Vpd,Wpd  | wr  |                     | sse @SSE2
NP 0F 29 /r     | movaps Wps,Vps  | wr  |                     | sse @SSE
66 0F 29 /r     | movapd Wpd,Vpd  | wr  |                     | sse @SSE2
NP 0F 2B /r     | movntps Mps,Vps | wr  |                     | sse @SSE
66 0F 2B /r     | movntpd Mpd,Vpd | wr  |                     | sse @SSE2
F3 0F 2B /r     | movntss Mss,Vss | wr  |                     | sse @SSE4A
F2 0F 2B /r     | movntsd Msd,Vsd | wr  |                     | sse @SSE4A
NP 0F 50 /r     | movmskps Gd,Ups | wr  |                     | sse @SSE
66 0F 50 /r     | movmskpd Gd,Upd | wr  |                     | sse @SSE2
NP 0F 6E /r     | movd/movd/movq Pq,Ey | wr |                 | mmx =movd @MMX
66 0F 6E /r     | movd/movd/movq Vdq,Ey | wr |                | sse =movd @SSE2
NP 0F 7E /r     | movd/movd/movq Ey,Py | wr |                 | mmx =movd @MMX
66 0F 7E /r     | movd/movd/movq Ey,Vy | wr |                 | sse =movd @SSE2
NP 0F 6F /r     | movq Pq,Qq      | wr  |                     | mmx @MMX
66 0F 6F /r     | movdqa Vdq,Wdq  | wr  |                     | sse @SSE2
F3 0F 6F /r     | movdqu Vdq,Wdq  | wr  |                     | sse unal @SSE2
NP 0F 7F /r     | movq Qq,Pq      | wr  |                     | mmx @MMX
66 0F 7F /r     | movdqa Wdq,Vdq  | wr  |                     | sse @SSE2
F3 0F 7F /r     | movdqu Wdq,Vdq  | wr  |                     | sse unal @SSE2
F3 0F 7E /r     | movq Vq,Wq      | wr  |                     | sse @SSE2
66 0F D6 /r     | movq Wq,Vq      | wr  |                     | sse @SSE2
F3 0F D6 /r     | movq2dq Vdq,Nq  | wr  |                     | sse @SSE2
F2 0F D6 /r     | movdq2q Pq,Uq   | wr  |                     | sse @SSE2
NP 0F D7 /r     | pmovmskb Gd,Nq  | wr  |                     | mmx @SSE
66 0F D7 /r     | pmovmskb Gd,Udq | wr  |                     | sse @SSE2
NP 0F E7 /r     | movntq Mq,Pq    | wr  |                     | mmx @SSE
66 0F E7 /r     | movntdq Mdq,Vdq | wr  |                     | sse @SSE2
F2 0F F0 /r     | lddqu Vdq,Mdq   | wr  |                     | sse unal @SSE3
NP 0F F7 /r     | maskmovq Pq,Nq  | rr  |                     | mmx @SSE
66 0F F7 /r     | maskmovdqu Vdq,Udq | rr |                   | sse @SSE2
66 0F 38 2A /r  | movntdqa Vdq,Mdq | wr |                     | sse @SSE4_1
NP 0F 77        | emms            |     |                     | mmx @MMX
`;

const NUMBERS = `
NP 0F 2A /r     | cvtpi2ps Vq,Qq  | mr  |                     | sse @SSE
66 0F 2A /r     | cvtpi2pd Vpd,Qq | wr  |                     | sse @SSE2
F3 0F 2A /r     | cvtsi2ss Vss,Ey | mr  |                     | sse @SSE
F2 0F 2A /r     | cvtsi2sd Vsd,Ey | mr  |                     | sse @SSE2
NP 0F 2C /r     | cvttps2pi Pq,Wq | wr  |                     | sse @SSE
66 0F 2C /r     | cvttpd2pi Pq,Wpd | wr |                     | sse @SSE2
F3 0F 2C /r     | cvttss2si Gy,Wss | wr |                     | sse @SSE
F2 0F 2C /r     | cvttsd2si Gy,Wsd | wr |                     | sse @SSE2
NP 0F 2D /r     | cvtps2pi Pq,Wq  | wr  |                     | sse @SSE
66 0F 2D /r     | cvtpd2pi Pq,Wpd | wr  |                     | sse @SSE2
F3 0F 2D /r     | cvtss2si Gy,Wss | wr  |                     | sse @SSE
F2 0F 2D /r     | cvtsd2si Gy,Wsd | wr  |                     | sse @SSE2
NP 0F 2E /r     | ucomiss Vss,Wss | rr  | w:zpc 0:osa         | sse @SSE
66 0F 2E /r     | ucomisd Vsd,Wsd | rr  | w:zpc 0:osa         | sse @SSE2
NP 0F 2F /r     | comiss Vss,Wss  | rr  | w:zpc 0:osa         | sse @SSE
66 0F 2F /r     | comisd Vsd,Wsd  | rr  | w:zpc 0:osa         | sse @SSE2
NP 0F 52 /r     | rsqrtps Vps,Wps | wr  |                     | sse @SSE
F3 0F 52 /r     | rsqrtss Vss,Wss | mr  |                     | sse @SSE
NP 0F 53 /r     | rcpps Vps,Wps   | wr  |                     | sse @SSE
F3 0F 53 /r     | rcpss Vss,Wss   | mr  |                     | sse @SSE
NP 0F 54 /r     | andps Vps,Wps   | mr  |                     | sse @SSE
66 0F 54 /r     | andpd Vpd,Wpd   | mr  |                     | sse @SSE2
NP 0F 55 /r     | andnps Vps,Wps  | mr  |                     | sse @SSE
66 0F 55 /r     | andnpd Vpd,Wpd  | mr  |                     | sse @SSE2
NP 0F 56 /r     | orps Vps,Wps    | mr  |                     | sse @SSE
66 0F 56 /r     | orpd Vpd,Wpd    | mr  |                     | sse @SSE2
NP 0F 57 /r     | xorps Vps,Wps   | mr  |                     | sse @SSE
66 0F 57 /r     | xorpd Vpd,Wpd   | mr  |                     | sse @SSE2
NP 0F 5A /r     | cvtps2pd Vpd,Wq | wr  |                     | sse @SSE2
66 0F 5A /r     | cvtpd2ps Vdq,Wpd | wr |                     | sse @SSE2
F3 0F 5A /r     | cvtss2sd Vsd,Wss | mr |                     | sse @SSE2
F2 0F 5A /r     | cvtsd2ss Vss,Wsd | mr |                     | sse @SSE2
NP 0F 5B /r     | cvtdq2ps Vps,Wdq | wr |                     | sse @SSE2
66 0F 5B /r     | cvtps2dq Vdq,Wps | wr |                     | sse @SSE2
F3 0F 5B /r     | cvttps2dq Vdq,Wps | wr |                    | sse @SSE2
66 0F 7C /r     | haddpd Vpd,Wpd  | mr  |                     | sse @SSE3
F2 0F 7C /r     | haddps Vps,Wps  | mr  |                     | sse @SSE3
66 0F 7D /r     | hsubpd Vpd,Wpd  | mr  |                     | sse @SSE3
F2 0F 7D /r     | hsubps Vps,Wps  | mr  |                     | sse @SSE3
NP 0F C6 /r ib  | shufps Vps,Wps,Ib | mrr |                   | sse @SSE
66 0F C6 /r ib  | shufpd Vpd,Wpd,Ib | mrr |                   | sse @SSE2
66 0F D0 /r     | addsubpd Vpd,Wpd | mr |                     | sse @SSE3
F2 0F D0 /r     | addsubps Vps,Wps | mr |                     | sse @SSE3
66 0F E6 /r     | cvttpd2dq Vdq,Wpd | wr |                    | sse @SSE2
F3 0F E6 /r     | cvtdq2pd Vpd,Wq | wr  |                     | sse @SSE2
F2 0F E6 /r     | cvtpd2dq Vdq,Wpd | wr |                     | sse @SSE2
66 0F 38 14 /r  | blendvps Vps,Wps,XMM0 | mrr |               | sse @SSE4_1
66 0F 38 15 /r  | blendvpd Vpd,Wpd,XMM0 | mrr |               | sse @SSE4_1
66 0F 3A 08 /r ib | roundps Vps,Wps,Ib | wrr |                | sse @SSE4_1
66 0F 3A 09 /r ib | roundpd Vpd,Wpd,Ib | wrr |                | sse @SSE4_1
66 0F 3A 0A /r ib | roundss Vss,Wss,Ib | mrr |                | sse @SSE4_1
66 0F 3A 0B /r ib | roundsd Vsd,Wsd,Ib | mrr |                | sse @SSE4_1
66 0F 3A 0C /r ib | blendps Vps,Wps,Ib | mrr |                | sse @SSE4_1
66 0F 3A 0D /r ib | blendpd Vpd,Wpd,Ib | mrr |                | sse @SSE4_1
66 0F 3A 17 /r ib | extractps Ed,Vdq,Ib | wrr |               | sse @SSE4_1
66 0F 3A 21 /r ib | insertps Vdq,Wd,Ib | mrr |                | sse @SSE4_1
66 0F 3A 40 /r ib | dpps Vps,Wps,Ib | mrr |                   | sse @SSE4_1
66 0F 3A 41 /r ib | dppd Vpd,Wpd,Ib | mrr |                   | sse @SSE4_1
`;

const INTEGERS = `
66 0F 6C /r     | punpcklqdq Vdq,Wdq | mr |                   | sse @SSE2
66 0F 6D /r     | punpckhqdq Vdq,Wdq | mr |                   | sse @SSE2
NP 0F 70 /r ib  | pshufw Pq,Qq,Ib | wrr |                     | mmx @SSE
66 0F 70 /r ib  | pshufd Vdq,Wdq,Ib | wrr |                   | sse @SSE2
F3 0F 70 /r ib  | pshufhw Vdq,Wdq,Ib | wrr |                  | sse @SSE2
F2 0F 70 /r ib  | pshuflw Vdq,Wdq,Ib | wrr |                  | sse @SSE2
NP 0F 71 /2 ib  | psrlw Nq,Ib     | mr  |                     | mmx @MMX
66 0F 71 /2 ib  | psrlw Udq,Ib    | mr  |                     | sse @SSE2
NP 0F 71 /4 ib  | psraw Nq,Ib     | mr  |                     | mmx @MMX
66 0F 71 /4 ib  | psraw Udq,Ib    | mr  |                     | sse @SSE2
NP 0F 71 /6 ib  | psllw Nq,Ib     | mr  |                     | mmx @MMX
66 0F 71 /6 ib  | psllw Udq,Ib    | mr  |                     | sse @SSE2
NP 0F 72 /2 ib  | psrld Nq,Ib     | mr  |                     | mmx @MMX
66 0F 72 /2 ib  | psrld Udq,Ib    | mr  |                     | sse @SSE2
NP 0F 72 /4 ib  | psrad Nq,Ib     | mr  |                     | mmx @MMX
66 0F 72 /4 ib  | psrad Udq,Ib    | mr  |                     | sse @SSE2
NP 0F 72 /6 ib  | pslld Nq,Ib     | mr  |                     | mmx @MMX
66 0F 72 /6 ib  | pslld Udq,Ib    | mr  |                     | sse @SSE2
NP 0F 73 /2 ib  | psrlq Nq,Ib     | mr  |                     | mmx @MMX
66 0F 73 /2 ib  | psrlq Udq,Ib    | mr  |                     | sse @SSE2
66 0F 73 /3 ib  | psrldq Udq,Ib   | mr  |                     | sse @SSE2
NP 0F 73 /6 ib  | psllq Nq,Ib     | mr  |                     | mmx @MMX
66 0F 73 /6 ib  | psllq Udq,Ib    | mr  |                     | sse @SSE2
66 0F 73 /7 ib  | pslldq Udq,Ib   | mr  |                     | sse @SSE2
NP 0F C4 /r ib  | pinsrw Pq,Rd/Mw,Ib | mrr |                  | mmx @SSE
66 0F C4 /r ib  | pinsrw Vdq,Rd/Mw,Ib | mrr |                 | sse @SSE2
NP 0F C5 /r ib  | pextrw Gd,Nq,Ib | wrr |                     | mmx @SSE
66 0F C5 /r ib  | pextrw Gd,Udq,Ib | wrr |                    | sse @SSE2
66 0F 78 /0 ib ib | extrq Uq,Ib,Ib | mrr |                    | sse @SSE4A
F2 0F 78 /r ib ib | insertq Vq,Uq,Ib,Ib | mrrr |              | sse @SSE4A
66 0F 79 /r     | extrq Vq,Uw     | mr  |                     | sse @SSE4A
F2 0F 79 /r     | insertq Vq,Udq  | mr  |                     | sse @SSE4A
66 0F 38 10 /r  | pblendvb Vdq,Wdq,XMM0 | mrr |               | sse @SSE4_1
66 0F 38 17 /r  | ptest Vdq,Wdq   | rr  | w:zc 0:osap         | sse @SSE4_1
66 0F 38 20 /r  | pmovsxbw Vdq,Wq | wr  |                     | sse @SSE4_1
66 0F 38 21 /r  | pmovsxbd Vdq,Wd | wr  |                     | sse @SSE4_1
66 0F 38 22 /r  | pmovsxbq Vdq,Ww | wr  |                     | sse @SSE4_1
66 0F 38 23 /r  | pmovsxwd Vdq,Wq | wr  |                     | sse @SSE4_1
66 0F 38 24 /r  | pmovsxwq Vdq,Wd | wr  |                     | sse @SSE4_1
66 0F 38 25 /r  | pmovsxdq Vdq,Wq | wr  |                     | sse @SSE4_1
66 0F 38 28 /r  | pmuldq Vdq,Wdq  | mr  |                     | sse @SSE4_1
66 0F 38 29 /r  | pcmpeqq Vdq,Wdq | mr  |                     | sse @SSE4_1
66 0F 38 2B /r  | packusdw Vdq,Wdq | mr |                     | sse @SSE4_1
66 0F 38 30 /r  | pmovzxbw Vdq,Wq | wr  |                     | sse @SSE4_1
66 0F 38 31 /r  | pmovzxbd Vdq,Wd | wr  |                     | sse @SSE4_1
66 0F 38 32 /r  | pmovzxbq Vdq,Ww | wr  |                     | sse @SSE4_1
66 0F 38 33 /r  | pmovzxwd Vdq,Wq | wr  |                     | sse @SSE4_1
66 0F 38 34 /r  | pmovzxwq Vdq,Wd | wr  |                     | sse @SSE4_1
66 0F 38 35 /r  | pmovzxdq Vdq,Wq | wr  |                     | sse @SSE4_1
66 0F 38 37 /r  | pcmpgtq Vdq,Wdq | mr  |                     | sse @SSE4_2
66 0F 38 38 /r  | pminsb Vdq,Wdq  | mr  |                     | sse @SSE4_1
66 0F 38 39 /r  | pminsd Vdq,Wdq  | mr  |                     | sse @SSE4_1
66 0F 38 3A /r  | pminuw Vdq,Wdq  | mr  |                     | sse @SSE4_1
66 0F 38 3B /r  | pminud Vdq,Wdq  | mr  |                     | sse @SSE4_1
66 0F 38 3C /r  | pmaxsb Vdq,Wdq  | mr  |                     | sse @SSE4_1
66 0F 38 3D /r  | pmaxsd Vdq,Wdq  | mr  |                     | sse @SSE4_1
66 0F 38 3E /r  | pmaxuw Vdq,Wdq  | mr  |                     | sse @SSE4_1
66 0F 38 3F /r  | pmaxud Vdq,Wdq  | mr  |                     | sse @SSE4_1
66 0F 38 40 /r  | pmulld Vdq,Wdq  | mr  |                     | sse @SSE4_1
66 0F 38 41 /r  | phminposuw Vdq,Wdq | wr |                   | sse @SSE4_1
66 0F 3A 0E /r ib | pblendw Vdq,Wdq,Ib | mrr |                | sse @SSE4_1
NP 0F 3A 0F /r ib | palignr Pq,Qq,Ib | mrr |                  | mmx @SSSE3
66 0F 3A 0F /r ib | palignr Vdq,Wdq,Ib | mrr |                | sse @SSSE3
66 0F 3A 14 /r ib | pextrb Rd/Mb,Vdq,Ib | wrr |               | sse @SSE4_1
66 0F 3A 15 /r ib | pextrw Rd/Mw,Vdq,Ib | wrr |               | sse @SSE4_1
66 0F 3A 16 /r ib | pextrd/pextrd/pextrq Ey,Vdq,Ib | wrr |    | sse @SSE4_1
66 0F 3A 20 /r ib | pinsrb Vdq,Rd/Mb,Ib | mrr |               | sse @SSE4_1
66 0F 3A 22 /r ib | pinsrd/pinsrd/pinsrq Vdq,Ey,Ib | mrr |    | sse @SSE4_1
66 0F 3A 42 /r ib | mpsadbw Vdq,Wdq,Ib | mrr |                | sse @SSE4_1
66 0F 3A 44 /r ib | pclmulqdq Vdq,Wdq,Ib | mrr |              | sse @PCLMULQDQ
66 0F 3A 60 /r ib | pcmpestrm Vdq,Wdq,Ib | rrr | w:oszc 0:ap  | sse unal @SSE4_2
66 0F 3A 61 /r ib | pcmpestri Vdq,Wdq,Ib | rrr | w:oszc 0:ap  | sse unal @SSE4_2
66 0F 3A 62 /r ib | pcmpistrm Vdq,Wdq,Ib | rrr | w:oszc 0:ap  | sse unal @SSE4_2
66 0F 3A 63 /r ib | pcmpistri Vdq,Wdq,Ib | rrr | w:oszc 0:ap  | sse unal @SSE4_2
`;

const CIPHERS = `
66 0F 38 DB /r  | aesimc Vdq,Wdq  | wr  |                     | sse @AES
66 0F 38 DC /r  | aesenc Vdq,Wdq  | mr  |                     | sse @AES
66 0F 38 DD /r  | aesenclast Vdq,Wdq | mr |                   | sse @AES
66 0F 38 DE /r  | aesdec Vdq,Wdq  | mr  |                     | sse @AES
66 0F 38 DF /r  | aesdeclast Vdq,Wdq | mr |                   | sse @AES
66 0F 3A DF /r ib | aeskeygenassist Vdq,Wdq,Ib | wrr |        | sse @AES
NP 0F 38 C8 /r  | sha1nexte Vdq,Wdq | mr |                    | sse @SHA
NP 0F 38 C9 /r  | sha1msg1 Vdq,Wdq | mr |                     | sse @SHA
NP 0F 38 CA /r  | sha1msg2 Vdq,Wdq | mr |                     | sse @SHA
NP 0F 38 CB /r  | sha256rnds2 Vdq,Wdq,XMM0 | mrr |            | sse @SHA
NP 0F 38 CC /r  | sha256msg1 Vdq,Wdq | mr |                   | sse @SHA
NP 0F 38 CD /r  | sha256msg2 Vdq,Wdq | mr |                   | sse @SHA
NP 0F 3A CC /r ib | sha1rnds4 Vdq,Wdq,Ib | mrr |              | sse @SHA
66 0F 38 CF /r  | gf2p8mulb Vdq,Wdq | mr |                    | sse @GFNI
66 0F 3A CE /r ib | gf2p8affineqb Vdq,Wdq,Ib | mrr |          | sse @GFNI
66 0F 3A CF /r ib | gf2p8affineinvqb Vdq,Wdq,Ib | mrr |       | sse @GFNI
`;

/** All MMX and SSE rows as text, one a line. */
export const SSE_ROWS: string = PAIRS + QUADRUPLES + MOVES + NUMBERS + INTEGERS + CIPHERS;
