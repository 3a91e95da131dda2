"""Cases of what release 6 brought: ``$31=next`` is the link of a compact branch.  See ``test_cases``."""
from __future__ import annotations

NARROW6 = """
mul    $9, $8, $7       | $8=0x7fffffff $7=2        | $9=-2
muh    $9, $8, $7       | $8=-2 $7=3                | $9=-1
mulu   $9, $8, $7       | $8=-1 $7=-1               | $9=1
muhu   $9, $8, $7       | $8=-1 $7=-1               | $9=-2
div    $9, $8, $7       | $8=-7 $7=2                | $9=-3
div    $9, $8, $7       | $8=0xffffffff80000000 $7=-1 | $9=0xffffffff80000000
mod    $9, $8, $7       | $8=-7 $7=2                | $9=-1
divu   $9, $8, $7       | $8=-1 $7=2                | $9=0x7fffffff
modu   $9, $8, $7       | $8=-1 $7=16               | $9=15
seleqz $9, $8, $7       | $8=5 $7=0                 | $9=5
seleqz $9, $8, $7       | $8=5 $7=1                 | $9=0
selnez $9, $8, $7       | $8=5 $7=0                 | $9=0
selnez $9, $8, $7       | $8=5 $7=1                 | $9=5
lsa    $9, $8, $7, 1    | $8=3 $7=100               | $9=106
lsa    $9, $8, $7, 4    | $8=0x0fffffff $7=15       | $9=-1
clz    $9, $8           | $8=1                      | $9=31
clo    $9, $8           | $8=-1                     | $9=32
align  $9, $8, $7, 0    | $8=0x11223344 $7=0x55667788 | $9=0x55667788
align  $9, $8, $7, 1    | $8=0x11223344 $7=0x55667788 | $9=0x66778811
align  $9, $8, $7, 3    | $8=0x11223344 $7=0x55667788 | $9=0xffffffff88112233
bitswap $9, $8          | $8=0x01020380             | $9=0xffffffff8040c001
aui    $9, $8, 0x8000   | $8=1                      | $9=0xffffffff80000001
addiupc $9, 8           |                           | $9=0xffffffff80004008
addiupc $9, -4          |                           | $9=0xffffffff80003ffc
auipc  $9, 1            |                           | $9=0xffffffff80014000
aluipc $9, 1            |                           | $9=0xffffffff80010000
lwpc   $9, data         | m=11111111                | $9=0x11111111
nal ; addiu $9, $0, 1   |                           | $9=1 $31=ra not
bal target ; addiu $9, $0, 1 |                      | $9=1 $31=ra taken
bc     target           |                           | taken
balc   target           |                           | $31=next taken
jic    $8, 0            | $8=target                 | taken
jic    $8, -4           | $8=0xffffffff80004044     | taken
jialc  $31, 0           | $31=target                | $31=next taken
jic    $8, -0x8000      | $8=0xffffffff8000c040     | taken
jic    $8, 0x3f04       | $8=0xffffffff8000013c     | taken
jialc  $9, -0x8000      | $9=0xffffffff8000c040     | $31=next taken
jialc  $9, 0x3f04       | $9=0xffffffff8000013c     | $31=next taken
beqc   $7, $8, target   | $7=1 $8=1                 | taken
beqc   $7, $8, target   | $7=1 $8=2                 |
bnec   $8, $7, target   | $7=1 $8=2                 | taken
bnec   $8, $7, target   | $7=1 $8=1                 |
bltc   $8, $7, target   | $8=-1 $7=1                | taken
bltc   $8, $7, target   | $8=1 $7=1                 |
bgec   $8, $7, target   | $8=1 $7=1                 | taken
bgec   $8, $7, target   | $8=-1 $7=1                |
bltuc  $8, $7, target   | $8=1 $7=-1                | taken
bltuc  $8, $7, target   | $8=-1 $7=1                |
bgeuc  $8, $7, target   | $8=-1 $7=1                | taken
bgeuc  $8, $7, target   | $8=1 $7=-1                |
bltzc  $8, target       | $8=-1                     | taken
bltzc  $8, target       | $8=0                      |
blezc  $8, target       | $8=0                      | taken
blezc  $8, target       | $8=1                      |
bgezc  $8, target       | $8=0                      | taken
bgezc  $8, target       | $8=-1                     |
bgtzc  $8, target       | $8=1                      | taken
bgtzc  $8, target       | $8=0                      |
beqzc  $8, target       | $8=0                      | taken
beqzc  $8, target       | $8=1                      |
bnezc  $8, target       | $8=1                      | taken
bnezc  $8, target       | $8=0                      |
bltzalc $8, target      | $8=-1                     | $31=next taken
bltzalc $31, target     | $31=-1                    | $31=next taken
bltzalc $8, target      | $8=0                      | $31=next
blezalc $8, target      | $8=0                      | $31=next taken
blezalc $8, target      | $8=1                      | $31=next
bgezalc $8, target      | $8=0                      | $31=next taken
bgezalc $8, target      | $8=-1                     | $31=next
bgtzalc $8, target      | $8=1                      | $31=next taken
bgtzalc $8, target      | $8=0                      | $31=next
beqzalc $8, target      | $8=0                      | $31=next taken
beqzalc $8, target      | $8=1                      | $31=next
bnezalc $8, target      | $8=1                      | $31=next taken
bnezalc $8, target      | $8=0                      | $31=next
bovc   $8, $7, target   | $8=0x7fffffff $7=1        | taken
bovc   $8, $7, target   | $8=0x7ffffffe $7=1        |
bovc   $8, $8, target   | $8=0xffffffff80000000     | taken
bnvc   $8, $7, target   | $8=0x7fffffff $7=1        |
bnvc   $8, $7, target   | $8=0x7ffffffe $7=1        | taken
ll     $9, 0($1)        | m=11111111                | $9=0x11111111
ll     $9, 2($1)        |                           | AdEL
sc     $9, 0($1)        | link $9=0x22222222        | $9=1 m=22222222
sc     $9, 1($1)        | link                      | AdES
sh     $9, 3($1)        | m=0000000000000000 $9=0x1111 | m=0000001111000000
sw     $9, 1($1)        | m=0000000000000000 $9=0x11111111 | m=0011111111000000
cache  0x15, 4($1)      |                           |
pref   5, 16($1)        |                           |
pause                   |                           |
sigrie 5                |                           | RI
"""

WIDE6 = """
dmul   $9, $8, $7       | $8=0x100000000 $7=3       | $9=0x300000000
dmuh   $9, $8, $7       | $8=-1 $7=2                | $9=-1
dmulu  $9, $8, $7       | $8=-1 $7=2                | $9=-2
dmuhu  $9, $8, $7       | $8=-1 $7=2                | $9=1
ddiv   $9, $8, $7       | $8=-7 $7=2                | $9=-3
dmod   $9, $8, $7       | $8=-7 $7=2                | $9=-1
ddivu  $9, $8, $7       | $8=-1 $7=2                | $9=0x7fffffffffffffff
dmodu  $9, $8, $7       | $8=-1 $7=16               | $9=15
dlsa   $9, $8, $7, 3    | $8=0x100000000 $7=1       | $9=0x800000001
dclz   $9, $8           | $8=1                      | $9=63
dclo   $9, $8           | $8=-1                     | $9=64
dalign $9, $8, $7, 0    | $8=0x1122334455667788 $7=1 | $9=1
dalign $9, $8, $7, 5    | $8=0x1122334455667788 $7=0x99aabbccddeeff00 | $9=0xeeff001122334455
dbitswap $9, $8         | $8=0x0102030405060780     | $9=0x8040c020a060e001
daui   $9, $8, 0x8000   | $8=0x100000001            | $9=0x80000001
dahi   $8, $8, 0x8000   | $8=1                      | $8=0xffff800000000001
dati   $8, $8, 0x8000   | $8=1                      | $8=0x8000000000000001
lwupc  $9, data         | m=ffffffff                | $9=0xffffffff
ldpc   $9, data         | m=1111111111111111        | $9=0x1111111111111111
lld    $9, 0($1)        | m=1111111111111111        | $9=0x1111111111111111
lld    $9, 4($1)        |                           | AdEL
scd    $9, 0($1)        | link $9=0x2222222222222222 | $9=1 m=2222222222222222
bovc   $8, $7, target   | $8=0x100000000 $7=1       | taken
ld     $9, 5($1)        | m=00000000001111111111111111 | $9=0x1111111111111111
sd     $9, 3($1)        | m=000000000000000000000000 $9=-1 | m=000000ffffffffffffffff00
"""

PAIRS6 = """
llwp   $9, $10, ($1)    | m=1111111122222222        | $9=0x11111111 $10=0x22222222
llwp   $9, $10, ($8)    | $8=0xffffffff80008004     | AdEL
scwp   $9, $10, ($1)    | link m=0000000000000000 $9=0x11111111 $10=0x22222222 | $9=1 m=1111111122222222
scwp   $9, $10, ($1)    | m=0000000000000000 $9=0x11111111 $10=0x22222222 | $9=0 m=0000000000000000
scwp   $9, $10, ($8)    | link $8=0xffffffff80008004 | AdES
lldp   $9, $10, ($1)    | m=11111111111111112222222222222222 | $9=0x1111111111111111 $10=0x2222222222222222
lldp   $9, $10, ($8)    | $8=0xffffffff80008008     | AdEL
scdp   $9, $10, ($1)    | link m=00 $9=0x1111111111111111 $10=0x2222222222222222 | $9=1 m=11111111111111112222222222222222
scdp   $9, $10, ($8)    | link $8=0xffffffff80008008 | AdES
dvp    $9               |                           | $9=0
evp    $9 ; dvp $10 ; evp $11 | | $9=0 $10=0 $11=1
"""
