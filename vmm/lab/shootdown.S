# The workload of `vmm lab shootdown`, for n64 and release 6.  PROCESSES processes of THREADS threads each map PAGES pages,
# write, read and check them, take away the right to write, and unmap them, ROUNDS times; between that they read a working
# set of theirs.  The first thread of each process forks a child from time to time, which writes a page and ends; and it puts
# a new page in the place of one that all threads look at, who would notice the old one.
# From outside: those names, PAGE (bytes), WORKING (pages), PASSES (reads between two steps), EVERY (rounds from fork to
# fork), SEED, DATA (where the pages of data are) and NR_* (system calls).
#
# $16 forks, then scratch   $17 number of the process   $18 of the thread   $19 random   $20 rounds left   $21 what is mapped

        .equ    PROT_READ, 1
        .equ    PROT_WRITE, 2
        .equ    MAP_PRIVATE, 2
        .equ    MAP_FIXED, 0x10
        .equ    MAP_ANONYMOUS, 0x800
        .equ    CLONE_THREAD, 0x50f00           # with VM, FS, FILES, SIGHAND and SYSVSEM
        .equ    FUTEX_WAIT, 0
        .equ    FUTEX_WAKE, 1
        .equ    LEFT, DATA                      # threads of the process that still work
        .equ    STATUS, DATA + 8                # of a child
        .equ    NUMBER, DATA + 16               # of the page that all look at; 0 while it is replaced
        .equ    LAST, DATA + 20                 # that number, for who replaces it
        .equ    COPIED, DATA + PAGE             # children write here
        .equ    SET, DATA + 2 * PAGE            # the working set
        .equ    SIGN, 0x7000000                 # the page that all look at

        .macro  CALL number
        li      $v0, \number
        syscall
        .endm

_start:
        li      $16, PROCESSES - 1
        move    $17, $0
1:      beqz    $16, process
        nop
        CALL    NR_fork
        beqz    $v0, 2f
        nop
        addiu   $16, $16, -1
        b       1b
        nop
2:      move    $17, $16

process:
        li      $18, THREADS - 1
1:      beqz    $18, thread
        nop
        li      $a0, CLONE_THREAD
        move    $a1, $0                         # nobody uses a stack
        move    $a2, $0
        move    $a3, $0
        move    $8, $0
        CALL    NR_clone
        beqz    $v0, thread
        nop
        addiu   $18, $18, -1
        b       1b
        nop

thread:
        dli     $8, SEED
        sll     $9, $17, 8
        addu    $9, $9, $18
        dsll    $9, $9, 32
        daddu   $19, $8, $9
        jal     next
        nop
        jal     next
        nop
        li      $20, ROUNDS
round:
        move    $a0, $0
        li      $a1, PAGES * PAGE
        li      $a2, PROT_READ | PROT_WRITE
        li      $a3, MAP_PRIVATE | MAP_ANONYMOUS
        li      $8, -1
        move    $9, $0
        CALL    NR_mmap
        bnez    $a3, wrong
        move    $21, $v0
        li      $8, PAGES
        move    $9, $21
        li      $10, PAGE
1:      xor     $11, $9, $19
        sd      $11, 0($9)
        addiu   $8, $8, -1
        bnez    $8, 1b
        daddu   $9, $9, $10
        move    $22, $19
        jal     work
        nop
        jal     check
        nop
        move    $a0, $21
        li      $a1, PAGES * PAGE
        li      $a2, PROT_READ
        CALL    NR_mprotect
        bnez    $a3, wrong
        nop
        jal     check
        nop
        li      $8, EVERY
        modu    $9, $20, $8
        or      $9, $9, $18
        bnez    $9, 2f                          # not the first thread, or not its turn
        nop
        jal     forked
        nop
        jal     replace
        nop
2:      jal     look
        nop
        move    $a0, $21
        li      $a1, PAGES * PAGE
        CALL    NR_munmap
        bnez    $a3, wrong
        nop
        jal     work
        nop
        addiu   $20, $20, -1
        bnez    $20, round
        nop

# The last thread that is done wakes the first one, which waits for the processes that it forked.
        li      $8, LEFT
1:      ll      $9, 0($8)
        addiu   $9, $9, -1
        move    $10, $9
        sc      $10, 0($8)
        beqz    $10, 1b
        nop
        beqz    $18, 3f
        nop
        bnez    $9, 2f
        nop
        move    $a0, $8
        li      $a1, FUTEX_WAKE
        li      $a2, 1
        CALL    NR_futex
2:      move    $a0, $0
        CALL    NR_exit
3:      li      $a0, LEFT
        lw      $a2, 0($a0)
        beqz    $a2, 4f
        nop
        li      $a1, FUTEX_WAIT
        move    $a3, $0
        CALL    NR_futex
        b       3b
        nop
4:      bnez    $17, 6f
        nop
        li      $16, PROCESSES - 1
5:      beqz    $16, 6f
        nop
        jal     wait
        nop
        addiu   $16, $16, -1
        b       5b
        nop
6:      move    $a0, $0
        CALL    NR_exit_group

# The pages that are mapped have what was written.
check:
        li      $8, PAGES
        move    $9, $21
        li      $10, PAGE
1:      ld      $11, 0($9)
        xor     $12, $9, $22
        bne     $11, $12, wrong
        addiu   $8, $8, -1
        bnez    $8, 1b
        daddu   $9, $9, $10
        jr      $ra
        nop

wrong:  break

# A new page in the place of the one that all look at, with the next number.
replace:
        move    $23, $ra
        li      $8, LAST
        lw      $16, 0($8)
        addiu   $16, $16, 1
        sw      $16, 0($8)
        li      $8, NUMBER
        sw      $0, 0($8)
        sync
        li      $a0, SIGN
        li      $a1, PAGE
        li      $a2, PROT_READ | PROT_WRITE
        li      $a3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
        li      $8, -1
        move    $9, $0
        CALL    NR_mmap
        bnez    $a3, wrong
        nop
        li      $8, SIGN
        sw      $16, 0($8)
        sync
        li      $8, NUMBER
        sw      $16, 0($8)
        jr      $23
        nop

# If the number is the same before and after, the page has it too.
look:
        li      $8, NUMBER
        lw      $9, 0($8)
        beqz    $9, 1f
        nop
        li      $10, SIGN
        lw      $11, 0($10)
        lw      $12, 0($8)
        bne     $9, $12, 1f
        nop
        bne     $11, $9, wrong
        nop
1:      jr      $ra
        nop

# Pages of the working set by chance, and a little arithmetic.
work:
        move    $23, $ra
        li      $16, PASSES
1:      jal     next
        nop
        dsrl32  $8, $19, 1
        li      $9, WORKING
        modu    $8, $8, $9
        li      $9, PAGE
        mul     $8, $8, $9
        li      $9, SET
        addu    $8, $8, $9
        lw      $9, 0($8)
        addu    $24, $24, $9
        addiu   $16, $16, -1
        bnez    $16, 1b
        nop
        jr      $23
        nop

next:                                           # Knuth's MMIX generator
        dli     $8, 6364136223846793005
        dmul    $19, $19, $8
        dli     $8, 1442695040888963407
        jr      $ra
        daddu   $19, $19, $8

# A child that writes one page and ends; who forked it waits, and wrote the page itself before.
forked:
        move    $23, $ra
        li      $8, COPIED
        sd      $19, 0($8)
        CALL    NR_fork
        bnez    $v0, 1f
        nop
        li      $8, COPIED
        sd      $0, 0($8)
        move    $a0, $0
        CALL    NR_exit_group
1:      move    $a0, $v0
        jal     waited
        nop
        li      $8, COPIED
        ld      $9, 0($8)
        bne     $9, $19, wrong
        nop
        jr      $23
        nop

wait:                                           # for any child, which must have ended with 0
        li      $a0, -1
waited:
        li      $a1, STATUS
        move    $a2, $0
        move    $a3, $0
        CALL    NR_wait4
        bnez    $a3, wrong
        nop
        li      $8, STATUS
        lw      $9, 0($8)
        bnez    $9, wrong
        nop
        jr      $ra
        nop
