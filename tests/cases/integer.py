"""Cases of the integer instructions: arithmetic to traps.  See ``test_cases``."""
from __future__ import annotations

CASES32 = """
# overflow traps and leaves the destination
addi  $9, $8, 1      | $8=0x7fffffff                  | Ov
addi  $9, $8, -1     | $8=0                           | $9=-1
addi  $0, $8, 1      | $8=1                           | $0=0
addiu $9, $8, 1      | $8=0x7fffffff                  | $9=0xffffffff80000000
addu  $9, $8, $7     | $8=0x7fffffff $7=1             | $9=0xffffffff80000000
add   $9, $8, $7     | $8=0x7fffffff $7=1             | Ov
add   $9, $8, $7     | $8=-5 $7=3                     | $9=-2
sub   $9, $8, $7     | $8=0xffffffff80000000 $7=1     | Ov
sub   $9, $8, $7     | $8=5 $7=7                      | $9=-2
subu  $9, $8, $7     | $8=0xffffffff80000000 $7=1     | $9=0x7fffffff
slt   $9, $8, $7     | $8=-1 $7=0                     | $9=1
sltu  $9, $8, $7     | $8=-1 $7=0                     | $9=0
slti  $9, $8, -1     | $8=-2                          | $9=1
sltiu $9, $8, -1     | $8=5                           | $9=1
sltiu $9, $8, 5      | $8=5                           | $9=0
# logic
and   $9, $8, $7     | $8=0xff00 $7=0x0ff0            | $9=0x0f00
andi  $9, $8, 0xf0f0 | $8=-1                          | $9=0xf0f0
lui   $9, 0x8000     |                                | $9=0xffffffff80000000
nor   $9, $8, $7     | $8=1 $7=2                      | $9=-4
or    $9, $8, $7     | $8=1 $7=2                      | $9=3
ori   $9, $8, 0x8000 | $8=1                           | $9=0x8001
xor   $9, $8, $7     | $8=3 $7=1                      | $9=2
xori  $9, $8, 0xffff | $8=-1                          | $9=0xffffffffffff0000
# shifts
sll   $9, $8, 31     | $8=1                           | $9=0xffffffff80000000
srl   $9, $8, 4      | $8=0xffffffff80000000          | $9=0x08000000
srl   $9, $8, 0      | $8=0xffffffff80000000          | $9=0xffffffff80000000
sra   $9, $8, 4      | $8=0xffffffff80000000          | $9=0xfffffffff8000000
rotr  $9, $8, 4      | $8=0x1f                        | $9=0xfffffffff0000001
rotr  $9, $8, 0      | $8=0x1f                        | $9=0x1f
sllv  $9, $8, $7     | $8=1 $7=33                     | $9=2
srlv  $9, $8, $7     | $8=-1 $7=28                    | $9=15
srav  $9, $8, $7     | $8=-16 $7=36                   | $9=-1
rotrv $9, $8, $7     | $8=3 $7=1                      | $9=0xffffffff80000001
# multiplication and division
mult  $8, $7         | $8=-2 $7=3                     | hi=-1 lo=-6
mult  $8, $7         | $8=0x7fffffff $7=0x7fffffff    | hi=0x3fffffff lo=1
multu $8, $7         | $8=-1 $7=-1                    | hi=-2 lo=1
div   $8, $7         | $8=-7 $7=2                     | hi=-1 lo=-3
div   $8, $7         | $8=7 $7=-2                     | hi=1 lo=-3
div   $8, $7         | $8=0xffffffff80000000 $7=-1    | hi=0 lo=0xffffffff80000000
div   $8, $7         | $8=9 $7=0                      | hi=0 lo=9
divu  $8, $7         | $8=-1 $7=16                    | hi=15 lo=0x0fffffff
divu  $8, $7         | $8=9 $7=0                      | hi=0 lo=9
mul   $9, $8, $7     | $8=0x10000 $7=0x8000 hi=5 lo=6 | $9=0xffffffff80000000
madd  $8, $7         | $8=-1 $7=1 hi=0 lo=0           | hi=-1 lo=-1
madd  $8, $7         | $8=2 $7=3 hi=1 lo=-1           | hi=2 lo=5
maddu $8, $7         | $8=-1 $7=1 hi=0 lo=1           | hi=1 lo=0
msub  $8, $7         | $8=2 $7=3 hi=0 lo=0            | hi=-1 lo=-6
msubu $8, $7         | $8=-1 $7=1 hi=1 lo=0           | hi=0 lo=1
mfhi  $9             | hi=7                           | $9=7
mflo  $9             | lo=7                           | $9=7
mthi  $8             | $8=7                           | hi=7
mtlo  $8             | $8=7                           | lo=7
# moves, fields, counts
movn  $9, $8, $7     | $8=5 $7=0 $9=9                 | $9=9
movn  $9, $8, $7     | $8=5 $7=1 $9=9                 | $9=5
movz  $9, $8, $7     | $8=5 $7=0 $9=9                 | $9=5
movz  $9, $8, $7     | $8=5 $7=1 $9=9                 | $9=9
ext   $9, $8, 4, 8   | $8=0x12345678                  | $9=0x67
ext   $9, $8, 0, 32  | $8=0xffffffff80000001          | $9=0xffffffff80000001
ext   $9, $8, 31, 2  | $8=1                           | RI
ins   $9, $8, 4, 8   | $8=0xab $9=-1                  | $9=0xfffffffffffffabf
ins   $9, $8, 31, 1  | $8=1 $9=0                      | $9=0xffffffff80000000
seb   $9, $8         | $8=0x80                        | $9=-128
seh   $9, $8         | $8=0x8000                      | $9=-32768
wsbh  $9, $8         | $8=0x11223384                  | $9=0x22118433
clz   $9, $8         | $8=0x00010000                  | $9=15
clz   $9, $8         | $8=0                           | $9=32
clo   $9, $8         | $8=-1                          | $9=32
clo   $9, $8         | $8=0xfffffffff0000000          | $9=4
# branches: the slot is executed, or skipped by a likely branch that is not taken
beq    $8, $7, target ; addiu $9, $0, 1 | $8=1 $7=1     | $9=1 taken
beq    $8, $7, target ; addiu $9, $0, 1 | $8=1 $7=2     | $9=1 not
bne    $8, $7, target ; addiu $9, $0, 1 | $8=1 $7=2     | $9=1 taken
blez   $8, target     ; addiu $9, $0, 1 | $8=0          | $9=1 taken
blez   $8, target     ; addiu $9, $0, 1 | $8=1          | $9=1 not
bgtz   $8, target     ; addiu $9, $0, 1 | $8=1          | $9=1 taken
bltz   $8, target     ; addiu $9, $0, 1 | $8=-1         | $9=1 taken
bgez   $8, target     ; addiu $9, $0, 1 | $8=0          | $9=1 taken
bltzal $8, target     ; addiu $9, $0, 1 | $8=0          | $9=1 $31=ra not
bltzal $31, target    ; addiu $9, $0, 1 | $31=-1        | $9=1 $31=ra taken
bgezal $8, target     ; addiu $9, $0, 1 | $8=0          | $9=1 $31=ra taken
beql   $8, $7, target ; addiu $9, $0, 1 | $8=1 $7=1     | $9=1 taken
beql   $8, $7, target ; addiu $9, $0, 1 | $8=1 $7=2     | skip
bnel   $8, $7, target ; addiu $9, $0, 1 | $8=1 $7=1     | skip
bnel   $8, $7, target ; addiu $9, $0, 1 | $8=1 $7=2     | $9=1 taken
blezl  $8, target     ; addiu $9, $0, 1 | $8=1          | skip
bgtzl  $8, target     ; addiu $9, $0, 1 | $8=0          | skip
bltzl  $8, target     ; addiu $9, $0, 1 | $8=0          | skip
bgezl  $8, target     ; addiu $9, $0, 1 | $8=-1         | skip
bltzall $8, target    ; addiu $9, $0, 1 | $8=0          | $31=ra skip
bltzall $8, target    ; addiu $9, $0, 1 | $8=-1         | $9=1 $31=ra taken
bgezall $8, target    ; addiu $9, $0, 1 | $8=-1         | $31=ra skip
j      target       ; addiu $9, $0, 1 |               | $9=1 taken
jal    target       ; addiu $9, $31, 0 |              | $9=ra $31=ra taken
jr     $8           ; addiu $8, $0, 1 | $8=target     | $8=1 taken
jr.hb  $8           ; addiu $9, $0, 1 | $8=target     | $9=1 taken
jalr   $7, $8       ; addiu $9, $0, 1 | $8=target     | $9=1 $7=ra taken
jalr   $31          ; addiu $9, $0, 1 | $31=target    | $9=1 $31=ra taken
jalr.hb $7, $8      ; addiu $9, $0, 1 | $8=target     | $9=1 $7=ra taken
# a trap in the slot is the branch's; a branch in the slot is reserved
beq    $0, $0, target ; addi $9, $8, 1  | $8=0x7fffffff | Ov
beq    $0, $0, target ; beq $0, $0, target |              | RI
# traps
syscall              |                                | Sys
break                |                                | Bp
teq   $8, $7         | $8=1 $7=1                      | Tr
teq   $8, $7         | $8=1 $7=2                      |
tge   $8, $7         | $8=1 $7=1                      | Tr
tge   $8, $7         | $8=-1 $7=1                     |
tgeu  $8, $7         | $8=-1 $7=1                     | Tr
tlt   $8, $7         | $8=-1 $7=1                     | Tr
tltu  $8, $7         | $8=1 $7=-1                     | Tr
tltu  $8, $7         | $8=-1 $7=1                     |
tne   $8, $7         | $8=1 $7=2                      | Tr
teqi  $8, -1         | $8=-1                          | Tr
tgei  $8, -1         | $8=0                           | Tr
tgeiu $8, -1         | $8=0                           |
tlti  $8, 0          | $8=-1                          | Tr
tltiu $8, -1         | $8=0                           | Tr
tnei  $8, 1          | $8=1                           |
tnei  $8, 1          | $8=2                           | Tr
"""

CASES64 = """
dadd   $9, $8, $7    | $8=0x7fffffffffffffff $7=1     | Ov
dadd   $9, $8, $7    | $8=0x7fffffff $7=1             | $9=0x80000000
daddi  $9, $8, -1    | $8=0x8000000000000000          | Ov
daddi  $9, $8, -1    | $8=0                           | $9=-1
daddiu $9, $8, -1    | $8=0x8000000000000000          | $9=0x7fffffffffffffff
daddu  $9, $8, $7    | $8=-1 $7=1                     | $9=0
dsub   $9, $8, $7    | $8=0x8000000000000000 $7=1     | Ov
dsub   $9, $8, $7    | $8=1 $7=2                      | $9=-1
dsubu  $9, $8, $7    | $8=0x8000000000000000 $7=1     | $9=0x7fffffffffffffff
dsll   $9, $8, 31    | $8=3                           | $9=0x180000000
dsll32 $9, $8, 31    | $8=1                           | $9=0x8000000000000000
dsrl   $9, $8, 4     | $8=-1                          | $9=0x0fffffffffffffff
dsrl32 $9, $8, 31    | $8=-1                          | $9=1
dsra   $9, $8, 4     | $8=0x8000000000000000          | $9=0xf800000000000000
dsra32 $9, $8, 31    | $8=0x8000000000000000          | $9=-1
drotr  $9, $8, 4     | $8=0x1f                        | $9=0xf000000000000001
drotr  $9, $8, 0     | $8=0x1f                        | $9=0x1f
drotr32 $9, $8, 4    | $8=0x1f                        | $9=0x00000001f0000000
dsllv  $9, $8, $7    | $8=1 $7=65                     | $9=2
dsrlv  $9, $8, $7    | $8=-1 $7=60                    | $9=15
dsrav  $9, $8, $7    | $8=-16 $7=63                   | $9=-1
drotrv $9, $8, $7    | $8=3 $7=1                      | $9=0x8000000000000001
dmult  $8, $7        | $8=-2 $7=3                     | hi=-1 lo=-6
dmultu $8, $7        | $8=-1 $7=-1                    | hi=-2 lo=1
ddiv   $8, $7        | $8=-7 $7=2                     | hi=-1 lo=-3
ddiv   $8, $7        | $8=0x8000000000000000 $7=-1    | hi=0 lo=0x8000000000000000
ddiv   $8, $7        | $8=9 $7=0                      | hi=0 lo=9
ddivu  $8, $7        | $8=-1 $7=16                    | hi=15 lo=0x0fffffffffffffff
dext   $9, $8, 4, 32 | $8=0x123456789abcdef0          | $9=0x89abcdef
dextm  $9, $8, 4, 40 | $8=0x123456789abcdef0          | $9=0x6789abcdef
dextu  $9, $8, 36, 8 | $8=0x123456789abcdef0          | $9=0x67
dins   $9, $8, 4, 8  | $8=0xab $9=-1                  | $9=0xfffffffffffffabf
dins   $9, $8, 8, 20 | $8=0xabcde $9=-1               | $9=0xfffffffffabcdeff
dins   $9, $8, 20, 12 | $8=0x123 $9=-1               | $9=0xffffffff123fffff
dinsm  $9, $8, 4, 40 | $8=0 $9=-1                     | $9=0xfffff0000000000f
dinsm  $9, $8, 20, 44 | $8=0 $9=-1                   | $9=0x00000000000fffff
dinsu  $9, $8, 60, 4 | $8=5 $9=-1                     | $9=0x5fffffffffffffff
dsbh   $9, $8        | $8=0x1122334455667788          | $9=0x2211443366558877
dshd   $9, $8        | $8=0x1122334455667788          | $9=0x7788556633441122
dclz   $9, $8        | $8=1                           | $9=63
dclo   $9, $8        | $8=-1                          | $9=64
# 32-bit operations see the low words only, and extend the sign
addu   $9, $8, $7    | $8=0x1ffffffff $7=0            | $9=-1
"""
