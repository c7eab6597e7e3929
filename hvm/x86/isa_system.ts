/**
 * Rows of the system instructions: segments, far transfers, control registers, tables, state saving, virtualization.
 * isa.ts has the legend.
 *
 * Sources: [SDM] vol. 2, the instructions' own pages and appendix A (opcode maps), vol. 3C ch. 31 (VMX); [APM] vol. 3,
 * chapter 4 and appendix A.
 * @module
 */

const SEGMENTS_AND_FAR = `
06              | push ES         | r   |                     | stack i64 d64
07              | pop ES          | w   |                     | segment i64 d64 =popseg
0E              | push CS         | r   |                     | stack i64 d64
16              | push SS         | r   |                     | stack i64 d64
17              | pop SS          | w   |                     | segment i64 d64 end =popseg
1E              | push DS         | r   |                     | stack i64 d64
1F              | pop DS          | w   |                     | segment i64 d64 =popseg
0F A0           | push FS         | r   |                     | stack d64
0F A1           | pop FS          | w   |                     | segment d64 =popseg
0F A8           | push GS         | r   |                     | stack d64
0F A9           | pop GS          | w   |                     | segment d64 =popseg
8C /r           | mov Rv/Mw,Sw    | wr  |                     | move =movfromseg
8E /r           | mov Sw,Ew       | wr  |                     | segment end =movtoseg
C4 /r           | les Gz,Mp       | wr  |                     | segment i64 =lseg
C5 /r           | lds Gz,Mp       | wr  |                     | segment i64 =lseg
0F B2 /r        | lss Gv,Mp       | wr  |                     | segment end =lseg
0F B4 /r        | lfs Gv,Mp       | wr  |                     | segment =lseg
0F B5 /r        | lgs Gv,Mp       | wr  |                     | segment =lseg
9A cp           | call Ap         | r   |                     | far i64 =callf
EA cp           | jmp Ap          | r   |                     | far i64 =jmpf
FF /3           | call Mp         | r   |                     | far =callf
FF /5           | jmp Mp          | r   |                     | far =jmpf
CA iw           | retf Iw         | r   |                     | far
CB              | retf            |     |                     | far
CC              | int3            |     |                     | far
CD ib           | int Ib          | r   |                     | far iopl
CE              | into            |     | r:o                 | far i64
CF              | iret/iretd/iretq |    | w:oszapcditnlxvr    | far iopl
F1              | int1            |     |                     | far
0F 05           | syscall         |     |                     | far @SYSCALL
0F 07           | sysret/sysret/sysretq | | w:oszapcditnlx    | far @SYSCALL
0F 34           | sysenter        |     | 0:i                 | far pm @SEP
0F 35           | sysexit/sysexit/sysexitq | |                | far cpl0 @SEP
`;

const SYSTEM = `
F4              | hlt             |     |                     | system cpl0 end
FA              | cli             |     | w:i                 | system iopl
FB              | sti             |     | w:i                 | system iopl end
0F 00 /0        | sldt Rv/Mw      | w   |                     | system pm umip
0F 00 /1        | str Rv/Mw       | w   |                     | system pm umip
0F 00 /2        | lldt Ew         | r   |                     | system pm cpl0 end
0F 00 /3        | ltr Ew          | r   |                     | system pm cpl0 end
0F 00 /4        | verr Ew         | r   | w:z                 | segment pm
0F 00 /5        | verw Ew         | r   | w:z                 | segment pm
0F 01 /0        | sgdt Ms         | w   |                     | system umip
0F 01 /1        | sidt Ms         | w   |                     | system umip
0F 01 /2        | lgdt Ms         | r   |                     | system cpl0 end
0F 01 /3        | lidt Ms         | r   |                     | system cpl0 end
0F 01 /4        | smsw Rv/Mw      | w   |                     | system umip
0F 01 /6        | lmsw Ew         | r   |                     | system cpl0 end
0F 01 /7        | invlpg Mb       | -   |                     | system cpl0 end
NP 0F 01 C8     | monitor         |     |                     | system cpl0 @MONITOR
NP 0F 01 C9     | mwait           |     |                     | system cpl0 end @MONITOR
// #UD, not #GP, above level 0. [SDM] CLAC, STAC
NP 0F 01 CA     | clac            |     | 0:x                 | system @SMAP
NP 0F 01 CB     | stac            |     | 1:x                 | system @SMAP
NP 0F 01 D0     | xgetbv          |     |                     | system @XSAVE
NP 0F 01 D1     | xsetbv          |     |                     | system cpl0 end @XSAVE
NP 0F 01 D5     | xend            |     |                     | system @RTM
NP 0F 01 D6     | xtest           |     | w:z 0:osapc         | system @RTM
NP 0F 01 E8     | serialize       |     |                     | system end @SERIALIZE
NP 0F 01 EE     | rdpkru          |     |                     | system @PKU
NP 0F 01 EF     | wrpkru          |     |                     | system end @PKU
0F 01 F8        | swapgs          |     |                     | system cpl0 o64
0F 01 F9        | rdtscp          |     |                     | system @RDTSCP
NP 0F 01 FA     | monitorx        |     |                     | system @MONITORX
NP 0F 01 FB     | mwaitx          |     |                     | system end @MONITORX
0F 01 FC        | clzero          |     |                     | system @CLZERO
NP 0F 01 FD     | rdpru           |     | w:c 0:oszap         | system @RDPRU
0F 02 /r        | lar Gv,Rv/Mw    | mr  | w:z                 | segment pm
0F 03 /r        | lsl Gv,Rv/Mw    | mr  | w:z                 | segment pm
0F 06           | clts            |     |                     | system cpl0
0F 08           | invd            |     |                     | system cpl0 end
0F 09           | wbinvd          |     |                     | system cpl0 end
F3 0F 09        | wbnoinvd        |     |                     | system cpl0 end @WBNOINVD else=wbinvd
0F 0B           | ud2             |     |                     | system end =ud
0F B9 /r        | ud1 Gv,Ev       | --  |                     | system end =ud
0F FF /r        | ud0 Gv,Ev       | --  |                     | system end =ud
0F 20 /r        | mov Rd/q,Cd/q   | wr  | u:oszapc            | system cpl0 f64 =movfromcr
0F 21 /r        | mov Rd/q,Dd/q   | wr  | u:oszapc            | system cpl0 f64 =movfromdr
0F 22 /r        | mov Cd/q,Rd/q   | wr  | u:oszapc            | system cpl0 f64 end =movtocr
0F 23 /r        | mov Dd/q,Rd/q   | wr  | u:oszapc            | system cpl0 f64 end =movtodr
0F 30           | wrmsr           |     |                     | system cpl0 end @MSR
0F 31           | rdtsc           |     |                     | system @TSC
0F 32           | rdmsr           |     |                     | system cpl0 @MSR
0F 33           | rdpmc           |     |                     | system
NP 0F 37        | getsec          |     |                     | system end @SMX
0F A2           | cpuid           |     |                     | system
0F AA           | rsm             |     | w:oszapcditnlxvr    | far
66 0F 38 82 /r  | invpcid Gd/q,Mdq | rr |                     | system cpl0 end @INVPCID
F3 0F C7 /7     | rdpid Rd/q      | w   |                     | system @RDPID
`;

const STATE = `
NP 0F AE /0     | fxsave/fxsave/fxsave64 M512   | w | | x87 al16 @FXSR
NP 0F AE /1     | fxrstor/fxrstor/fxrstor64 M512 | r | | x87 al16 @FXSR
NP 0F AE /2     | ldmxcsr Md      | r   |                     | sse @SSE
NP 0F AE /3     | stmxcsr Md      | w   |                     | sse @SSE
NP 0F AE /4     | xsave/xsave/xsave64 M         | m | | system al64 @XSAVE
NP 0F AE /5     | xrstor/xrstor/xrstor64 M      | r | | system al64 @XSAVE
NP 0F AE /6     | xsaveopt/xsaveopt/xsaveopt64 M | m | | system al64 @XSAVEOPT
NP 0F C7 /3     | xrstors/xrstors/xrstors64 M   | r | | system al64 cpl0 @XSAVES
NP 0F C7 /4     | xsavec/xsavec/xsavec64 M      | m | | system al64 @XSAVEC
NP 0F C7 /5     | xsaves/xsaves/xsaves64 M      | m | | system al64 cpl0 @XSAVES
NP 0F AE /7     | clflush Mb      | -   |                     | system @CLFSH
66 0F AE /7     | clflushopt Mb   | -   |                     | system @CLFLUSHOPT
66 0F AE /6     | clwb Mb         | -   |                     | system @CLWB
// Any rm: [SDM] gives E8, F0 and F8, [APM] the whole /digit; processors of both take the whole.
NP 0F AE E8+i   | lfence          |     |                     | system @SSE2
NP 0F AE F0+i   | mfence          |     |                     | system @SSE2
NP 0F AE F8+i   | sfence          |     |                     | system @SSE
F3 0F AE /0     | rdfsbase Ry     | w   |                     | system o64 @FSGSBASE
F3 0F AE /1     | rdgsbase Ry     | w   |                     | system o64 @FSGSBASE
F3 0F AE /2     | wrfsbase Ry     | r   |                     | system o64 @FSGSBASE
F3 0F AE /3     | wrgsbase Ry     | r   |                     | system o64 @FSGSBASE
66 0F AE /6     | tpause Rd       | r   | w:c 0:oszap         | system @WAITPKG
F3 0F AE /6     | umonitor Ra     | r   |                     | system @WAITPKG
F2 0F AE /6     | umwait Rd       | r   | w:c 0:oszap         | system end @WAITPKG
`;

/** Decoded for diagnosis; no engine of ours runs them. */
const VIRTUALIZATION = `
NP 0F 01 C1     | vmcall          |     |                     | system end
0F 01 D9        | vmmcall         |     |                     | system end
NP 0F 01 C2     | vmlaunch        |     | w:zc 0:osap         | system cpl0 end @VMX
NP 0F 01 C3     | vmresume        |     | w:zc 0:osap         | system cpl0 end @VMX
NP 0F 01 C4     | vmxoff          |     | w:zc 0:osap         | system cpl0 end @VMX
NP 0F 01 D4     | vmfunc          |     |                     | system end @VMX
0F 01 D8        | vmrun           |     |                     | system cpl0 end @SVM
0F 01 DA        | vmload          |     |                     | system cpl0 end @SVM
0F 01 DB        | vmsave          |     |                     | system cpl0 end @SVM
0F 01 DC        | stgi            |     |                     | system cpl0 end @SVM
0F 01 DD        | clgi            |     |                     | system cpl0 end @SVM
0F 01 DE        | skinit          |     |                     | system cpl0 end @SKINIT
0F 01 DF        | invlpga         |     |                     | system cpl0 end @SVM
NP 0F 78 /r     | vmread Ed/q,Gd/q | wr | w:zc 0:osap         | system cpl0 @VMX
NP 0F 79 /r     | vmwrite Gd/q,Ed/q | rr | w:zc 0:osap        | system cpl0 @VMX
NP 0F C7 /6     | vmptrld Mq      | r   | w:zc 0:osap         | system cpl0 @VMX
66 0F C7 /6     | vmclear Mq      | m   | w:zc 0:osap         | system cpl0 @VMX
F3 0F C7 /6     | vmxon Mq        | r   | w:zc 0:osap         | system cpl0 end @VMX
NP 0F C7 /7     | vmptrst Mq      | w   | w:zc 0:osap         | system cpl0 @VMX
66 0F 38 80 /r  | invept Gd/q,Mdq | rr  | w:zc 0:osap         | system cpl0 end @VMX
66 0F 38 81 /r  | invvpid Gd/q,Mdq | rr | w:zc 0:osap         | system cpl0 end @VMX
`;

/** All system rows as text, one a line. */
export const SYSTEM_ROWS: string = SEGMENTS_AND_FAR + SYSTEM + STATE + VIRTUALIZATION;
