/**
 * Rows of the x87 instructions. isa.ts has the legend.
 *
 * Sources: [SDM] vol. 2A, the instructions' own pages, and appendix A.5 (escape opcode maps); [APM] vol. 3, appendix A,
 * tables A-12 and A-13 (the aliases that every processor has).
 * @module
 */

/** D8, DC, DE: arithmetic with ST and with another register; DA, DE: with an integer in memory. */
const ARITHMETIC = ["fadd", "fmul", "fcom", "fcomp", "fsub", "fsubr", "fdiv", "fdivr"].map((name, n) => {
  const to = name.startsWith("fcom") ? "r" : "m";
  const digit = n.toString();
  // DC and DE name the reversed operations the other way round. [SDM] FSUB, FSUBR, FDIV, FDIVR
  const swapped = ["fadd", "fmul", "fcom", "fcomp", "fsubr", "fsub", "fdivr", "fdiv"][n] ?? "";
  const modRm = (0xc0 + n * 8).toString(16).toUpperCase();
  const pair = name.startsWith("fcom")
    ? `
DC ${modRm}+i   | ${name} STi      | r  | | x87`
    : `
DC ${modRm}+i   | ${swapped} STi,ST | mr | | x87
DE ${modRm}+i   | ${swapped}p STi,ST | mr | | x87`;
  const compare = name.startsWith("fcom") ? "STi" : "ST,STi";
  const access = name.startsWith("fcom") ? "r" : `${to}r`;
  return `
D8 /${digit}    | ${name} Md       | r  | | x87 =${name}m
D8 ${modRm}+i   | ${name} ${compare} | ${access} | | x87
DC /${digit}    | ${name} Mq       | r  | | x87 =${name}m
DA /${digit}    | ${name.replace("f", "fi")} Md | r | | x87
DE /${digit}    | ${name.replace("f", "fi")} Mw | r | | x87${pair}`;
}).join("");

const OTHERS = `
DE D0+i         | fcomp STi       | r   |                     | x87
DE D9           | fcompp          |     |                     | x87
D9 /0           | fld Md          | r   |                     | x87 =fldm
D9 /2           | fst Md          | w   |                     | x87 =fstm
D9 /3           | fstp Md         | w   |                     | x87 =fstpm
D9 /4           | fldenv Menv     | r   |                     | x87
D9 /5           | fldcw Mw        | r   |                     | x87
D9 /6           | fnstenv Menv    | w   |                     | x87
D9 /7           | fnstcw Mw       | w   |                     | x87
D9 C0+i         | fld STi         | r   |                     | x87
D9 C8+i         | fxch STi        | m   |                     | x87
D9 D0           | fnop            |     |                     | x87
D9 D8+i         | fstp STi        | w   |                     | x87
D9 E0           | fchs            |     |                     | x87
D9 E1           | fabs            |     |                     | x87
D9 E4           | ftst            |     |                     | x87
D9 E5           | fxam            |     |                     | x87
D9 E8           | fld1            |     |                     | x87
D9 E9           | fldl2t          |     |                     | x87
D9 EA           | fldl2e          |     |                     | x87
D9 EB           | fldpi           |     |                     | x87
D9 EC           | fldlg2          |     |                     | x87
D9 ED           | fldln2          |     |                     | x87
D9 EE           | fldz            |     |                     | x87
D9 F0           | f2xm1           |     |                     | x87
D9 F1           | fyl2x           |     |                     | x87
D9 F2           | fptan           |     |                     | x87
D9 F3           | fpatan          |     |                     | x87
D9 F4           | fxtract         |     |                     | x87
D9 F5           | fprem1          |     |                     | x87
D9 F6           | fdecstp         |     |                     | x87
D9 F7           | fincstp         |     |                     | x87
D9 F8           | fprem           |     |                     | x87
D9 F9           | fyl2xp1         |     |                     | x87
D9 FA           | fsqrt           |     |                     | x87
D9 FB           | fsincos         |     |                     | x87
D9 FC           | frndint         |     |                     | x87
D9 FD           | fscale          |     |                     | x87
D9 FE           | fsin            |     |                     | x87
D9 FF           | fcos            |     |                     | x87
DA C0+i         | fcmovb ST,STi   | mr  | r:c                 | x87 =fcmovcc @CMOV
DA C8+i         | fcmove ST,STi   | mr  | r:z                 | x87 =fcmovcc @CMOV
DA D0+i         | fcmovbe ST,STi  | mr  | r:cz                | x87 =fcmovcc @CMOV
DA D8+i         | fcmovu ST,STi   | mr  | r:p                 | x87 =fcmovcc @CMOV
DB C0+i         | fcmovnb ST,STi  | mr  | r:c                 | x87 =fcmovcc @CMOV
DB C8+i         | fcmovne ST,STi  | mr  | r:z                 | x87 =fcmovcc @CMOV
DB D0+i         | fcmovnbe ST,STi | mr  | r:cz                | x87 =fcmovcc @CMOV
DB D8+i         | fcmovnu ST,STi  | mr  | r:p                 | x87 =fcmovcc @CMOV
DA E9           | fucompp         |     |                     | x87
DB /0           | fild Md         | r   |                     | x87
DB /1           | fisttp Md       | w   |                     | x87 @SSE3
DB /2           | fist Md         | w   |                     | x87
DB /3           | fistp Md        | w   |                     | x87
DB /5           | fld Mt          | r   |                     | x87 =fldm
DB /7           | fstp Mt         | w   |                     | x87 =fstpm
// Of the 8087 and 287; no-operations since. [SDM] vol. 3B, 23.18.9
DB E0           | fneni           |     |                     | x87 =fnop8087
DB E1           | fndisi          |     |                     | x87 =fnop8087
DB E4           | fnsetpm         |     |                     | x87 =fnop8087
DB E2           | fnclex          |     |                     | x87
DB E3           | fninit          |     |                     | x87
DB E8+i         | fucomi ST,STi   | rr  | w:zpc 0:osa         | x87 @CMOV
DB F0+i         | fcomi ST,STi    | rr  | w:zpc 0:osa         | x87 @CMOV
DF E8+i         | fucomip ST,STi  | rr  | w:zpc 0:osa         | x87 @CMOV
DF F0+i         | fcomip ST,STi   | rr  | w:zpc 0:osa         | x87 @CMOV
DD /0           | fld Mq          | r   |                     | x87 =fldm
DD /1           | fisttp Mq       | w   |                     | x87 @SSE3
DD /2           | fst Mq          | w   |                     | x87 =fstm
DD /3           | fstp Mq         | w   |                     | x87 =fstpm
DD /4           | frstor Mst      | r   |                     | x87
DD /6           | fnsave Mst      | w   |                     | x87
DD /7           | fnstsw Mw       | w   |                     | x87
DD C0+i         | ffree STi       | w   |                     | x87
DD C8+i         | fxch STi        | m   |                     | x87
DD D0+i         | fst STi         | w   |                     | x87
DD D8+i         | fstp STi        | w   |                     | x87
DD E0+i         | fucom STi       | r   |                     | x87
DD E8+i         | fucomp STi      | r   |                     | x87
DF /0           | fild Mw         | r   |                     | x87
DF /1           | fisttp Mw       | w   |                     | x87 @SSE3
DF /2           | fist Mw         | w   |                     | x87
DF /3           | fistp Mw        | w   |                     | x87
DF /4           | fbld Mt         | r   |                     | x87
DF /5           | fild Mq         | r   |                     | x87
DF /6           | fbstp Mt        | w   |                     | x87
DF /7           | fistp Mq        | w   |                     | x87
DF C0+i         | ffreep STi      | w   |                     | x87
DF C8+i         | fxch STi        | m   |                     | x87
DF D0+i         | fstp STi        | w   |                     | x87
DF D8+i         | fstp STi        | w   |                     | x87
DF E0           | fnstsw AX       | w   |                     | x87
9B              | fwait           |     |                     | x87
`;

/** All x87 rows as text, one a line. */
export const X87_ROWS: string = ARITHMETIC + OTHERS;
