# Checks that need no pages: registers, instructions, exceptions in kernel mode, self-modifying code, the timer.

check_registers:
        push_ra
        mfc0    $v0, $12, 0                     # Status
        lui     $v1, ST_BEV >> 16
        and     $v0, $v0, $v1
        move    $v1, $0
        expect  status-bev
        mfc0    $v0, $15, 1                     # EBase: where the vectors are; the low bits number the CPU
        srl     $v0, $v0, 12
        sll     $v0, $v0, 12
        lui     $v1, KSEG0_BASE >> 16
        expect  ebase
        mfc0    $v0, $13, 0                     # Cause
        lui     $v1, CAUSE_IV >> 16
        and     $v0, $v0, $v1
        expect  cause-iv
        mfc0    $v0, $16, 0                     # Config: BE is bit 15
        ext     $v0, $v0, 15, 1
        la      $t0, word_one
        lbu     $v1, 3($t0)
        expect  byte-order
        mfc0    $v0, $5, 0                      # PageMask
        li      $v1, PAGE_MASK
        expect  page-mask
        mfc0    $t0, $12, 0                     # Status
        ori     $t0, $t0, ST_IE
        mtc0    $t0, $12, 0
        ehb
        di      $v0
        ehb
        mfc0    $t0, $12, 0
        sll     $t0, $t0, 1
        xor     $v0, $v0, $t0
        andi    $v0, $v0, 3                     # IE was 1, now it is 0
        li      $v1, 1
        expect  di
        return_pop

check_instructions:
        push_ra
        li      $t0, -7
        li      $t1, 2
        div     $0, $t0, $t1
        mflo    $v0                             # -3
        mfhi    $v1                             # -1
        addiu   $v1, $v1, -2
        expect  divide
        lui     $t0, 0x1234
        lui     $t1, 0x8765
        mult    $t0, $t1
        mfhi    $v0
        li      $v1, 0xf76c9a84
        expect  multiply
        lui     $t0, 0x1234
        lui     $t1, 0x8765
        multu   $t0, $t1
        maddu   $t0, $t1
        mfhi    $v0
        li      $v1, 0x13413508
        expect  multiply-add
        li      $t0, 0x00f0a5c3
        clz     $t1, $t0                        # 8
        wsbh    $t2, $t0                        # f000c3a5
        rotr    $t3, $t0, 8                     # c300f0a5
        ext     $t4, $t0, 4, 12                 # a5c
        ins     $t2, $t4, 20, 12                # a5c0c3a5
        seb     $t5, $t0                        # ffffffc3
        xor     $v0, $t1, $t2
        xor     $v0, $v0, $t3
        xor     $v0, $v0, $t5
        li      $v1, 0x993fcccb
        expect  bit-fields
        li      $v0, 1
        beql    $v0, $0, 1f                     # not taken: the slot does not count
        li      $v0, 2
        bnel    $v0, $0, 1f
        addiu   $v0, $v0, 4
        li      $v0, 3
1:      li      $v1, 5
        expect  branch-likely
        la      $t0, unaligned_bytes
        .if     BIG_ENDIAN
        lwl     $v0, 1($t0)
        lwr     $v0, 4($t0)
        swl     $v0, 9($t0)
        swr     $v0, 12($t0)
        .else
        lwr     $v0, 1($t0)
        lwl     $v0, 4($t0)
        swr     $v0, 9($t0)
        swl     $v0, 12($t0)
        wsbh    $v0, $v0
        rotr    $v0, $v0, 16
        .endif
        li      $v1, 0x22334455
        expect  load-unaligned
        la      $t0, unaligned_bytes
        lw      $v0, 8($t0)                     # bytes 88 22 33 44, then 55 aa
        lw      $t1, 12($t0)
        .if     BIG_ENDIAN
        srl     $t1, $t1, 16
        .else
        wsbh    $v0, $v0
        rotr    $v0, $v0, 16
        wsbh    $t1, $t1
        andi    $t1, $t1, 0xffff
        .endif
        xor     $v0, $v0, $t1
        li      $v1, 0x882266ee
        expect  store-unaligned

        la      $a0, linked_counter
        li      $t2, 10
2:      ll      $t0, 0($a0)
        addiu   $t0, $t0, 3
        sc      $t0, 0($a0)
        beqz    $t0, 2b                         # a failed attempt is done again without being counted
        nop
        addiu   $t2, $t2, -1
        bnez    $t2, 2b
        nop
        lw      $v0, 0($a0)
        li      $v1, 30
        expect  load-linked
        la      $t0, linked_counter
        ll      $t1, 0($t0)
        la      $a0, probe_break
        jal     probe_kernel
        nop
        la      $t0, linked_counter
        li      $v0, 99
        sc      $v0, 0($t0)                     # the ERET out of the exception broke the link
        lw      $v1, 0($t0)
        addiu   $v1, $v1, -30
        expect  link-broken
        return_pop

word_one:               .word   1
unaligned_bytes:        .byte   0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88
                        .byte   0x88, 0x99, 0x99, 0x99, 0x99, 0xaa, 0xbb, 0xcc
linked_counter:         .word   0

# Exceptions in kernel mode: each has its code, and EPC is the instruction, or the branch before it.
        .macro  expect_exception code, name
        jal     probe_kernel
        nop
        li      $v1, \code
        expect  \name
        .endm

check_exceptions:
        push_ra
        la      $a0, probe_syscall
        expect_exception EXC_SYS, syscall
        la      $a0, probe_break
        expect_exception EXC_BP, break
        load    $v0, caught_epc
        la      $v1, probe_break
        expect  break-epc
        la      $a0, probe_trap
        expect_exception EXC_TR, trap
        la      $a0, probe_reserved
        expect_exception EXC_RI, reserved-instruction
        la      $a0, probe_slot
        expect_exception EXC_BP, slot
        load    $v0, caught_epc
        la      $v1, probe_slot
        expect  slot-epc
        load    $v0, caught_cause
        srl     $v0, $v0, 31
        li      $v1, 1
        expect  slot-bd
        return_pop

probe_syscall:
        syscall
probe_break:
        break
probe_trap:
        tne     $sp, $0
probe_reserved:
        .word   0x00000039                      # SPECIAL has no such function
probe_slot:
        b       probe_slot
        break

# Self-modifying code: change an instruction, make the change visible, run it.
check_self_modifying:
        push_ra
        jal     modified
        nop
        li      $v1, 1
        expect  code-as-built
        la      $t0, modified
        la      $t1, modified_second
        lw      $t2, 0($t1)
        sw      $t2, 0($t0)
        synci   0($t0)
        sync
        ehb
        jal     modified
        nop
        li      $v1, 2
        expect  code-synci
        la      $t0, modified
        la      $t1, modified_third
        lw      $t2, 0($t1)
        sw      $t2, 0($t0)
        cache   0x15, 0($t0)                    # D-cache: write back and invalidate where it hits
        cache   0x10, 0($t0)                    # I-cache: invalidate where it hits
        sync
        ehb
        jal     modified
        nop
        li      $v1, 3
        expect  code-cache
        return_pop

modified:
        li      $v0, 1
        jr      $ra
        nop
modified_second:
        li      $v0, 2
modified_third:
        li      $v0, 3

# Three timer interrupts, asleep in between.
check_timer:
        push_ra
        jal     timer_start
        nop
        mfc0    $t3, $9, 0                      # Count
        ei      $0
1:      wait
        load    $t0, ticks
        sltiu   $t1, $t0, 3
        bnez    $t1, 1b
        nop
        di      $0
        ehb
        mfc0    $t0, $9, 0
        subu    $t0, $t0, $t3
        li      $t1, TICK + TICK
        sltu    $v0, $t1, $t0                   # two whole periods lie between the first and the third
        li      $v1, 1
        expect  timer
        jal     timer_stop
        nop
        return_pop
