# Exception entry and exit.  The code between the _vector labels is copied to where the CPU looks for it.

# TLB refill (EBase + 0x000).  Two loads deep and without a stack: k0 and k1 are all it has.  A hole in the top table
# counts as a leaf table of zeros, so the entry comes out invalid and the page fault follows by the general vector.
refill_vector:
        mfc0    $k1, $8, 0                      # BadVAddr
        load    $k0, current_table
        srl     $k1, $k1, TOP_SHIFT
        sll     $k1, $k1, 2
        addu    $k1, $k0, $k1
        lw      $k1, 0($k1)
        la      $k0, empty_table
        movz    $k1, $k0, $k1
        .if     REFILL_BY_CONTEXT
        mfc0    $k0, $4, 0                      # Context: the number of the pair of 4 KiB pages, from bit 4 on
        srl     $k0, $k0, PAGE_SHIFT - 11
        .else
        mfc0    $k0, $8, 0                      # KVM's trap-and-emulate leaves Context alone
        srl     $k0, $k0, PAGE_SHIFT - 2
        .endif
        andi    $k0, $k0, PAGE_SIZE - 8
        addu    $k1, $k1, $k0
        lw      $k0, 0($k1)
        lw      $k1, 4($k1)
        srl     $k0, $k0, 2
        srl     $k1, $k1, 2
        mtc0    $k0, $2, 0                      # EntryLo0
        mtc0    $k1, $3, 0                      # EntryLo1
        ehb
        tlbwr
        eret
refill_vector_end:

# Everything else (EBase + 0x180), and interrupts (EBase + 0x200, for Cause.IV is set).
general_vector:
        la      $k0, exception_entry
        jr      $k0
        nop
general_vector_end:

exception_entry:
        mfc0    $k1, $12, 0                     # Status
        andi    $k1, $k1, ST_UM
        beqz    $k1, 1f
        move    $k0, $sp
        load    $sp, resume_sp                  # from user mode: behind what the kernel has on its stack
1:      addiu   $sp, $sp, -FRAME
        sw      $k0, F_SP($sp)
        sw      $at, F_AT($sp)
        sw      $v0, F_V0($sp)
        sw      $v1, F_V1($sp)
        sw      $a0, F_A0($sp)
        sw      $a1, F_A1($sp)
        sw      $a2, F_A2($sp)
        sw      $a3, F_A3($sp)
        sw      $t0, F_T0($sp)
        sw      $t1, F_T1($sp)
        sw      $t2, F_T2($sp)
        sw      $t3, F_T3($sp)
        sw      $t4, F_T4($sp)
        sw      $t5, F_T5($sp)
        sw      $t6, F_T6($sp)
        sw      $t7, F_T7($sp)
        sw      $t8, F_T8($sp)
        sw      $t9, F_T9($sp)
        sw      $ra, F_RA($sp)
        mfhi    $t0
        mflo    $t1
        sw      $t0, F_HI($sp)
        sw      $t1, F_LO($sp)
        mfc0    $t0, $12, 0                     # Status
        mfc0    $t1, $13, 0                     # Cause
        mfc0    $t2, $14, 0                     # EPC
        mfc0    $t3, $8, 0                      # BadVAddr
        sw      $t0, F_STATUS($sp)
        sw      $t1, F_CAUSE($sp)
        sw      $t2, F_EPC($sp)
        sw      $t3, F_BADVADDR($sp)
        li      $t2, ~ST_EXCEPTION              # kernel mode, interrupts off; from here on we may fault ourselves
        and     $t0, $t0, $t2
        mtc0    $t0, $12, 0
        ehb
        andi    $t1, $t1, 0x7c                  # ExcCode times four
        la      $t0, exception_handlers
        addu    $t0, $t0, $t1
        lw      $t0, 0($t0)
        jalr    $ra, $t0
        move    $a0, $sp

        lw      $t0, F_STATUS($sp)
        lw      $t1, F_EPC($sp)
        ori     $t0, $t0, ST_EXL                # k0 and k1 are ours again; ERET takes EXL away
        mtc0    $t0, $12, 0
        ehb
        mtc0    $t1, $14, 0
        lw      $t0, F_HI($sp)
        lw      $t1, F_LO($sp)
        mthi    $t0
        mtlo    $t1
        lw      $at, F_AT($sp)
        lw      $v0, F_V0($sp)
        lw      $v1, F_V1($sp)
        lw      $a0, F_A0($sp)
        lw      $a1, F_A1($sp)
        lw      $a2, F_A2($sp)
        lw      $a3, F_A3($sp)
        lw      $t0, F_T0($sp)
        lw      $t1, F_T1($sp)
        lw      $t2, F_T2($sp)
        lw      $t3, F_T3($sp)
        lw      $t4, F_T4($sp)
        lw      $t5, F_T5($sp)
        lw      $t6, F_T6($sp)
        lw      $t7, F_T7($sp)
        lw      $t8, F_T8($sp)
        lw      $t9, F_T9($sp)
        lw      $ra, F_RA($sp)
        lw      $sp, F_SP($sp)
        ehb
        eret

# Put the vectors at the bottom of memory and let the CPU use them.
install_vectors:
        push_ra
        li      $t0, ST_BEV                     # EBase may change only while BEV is set
        mtc0    $t0, $12, 0
        ehb
        li      $t0, KSEG0_BASE
        mtc0    $t0, $15, 1                     # EBase
        la      $a0, refill_vector
        la      $a1, refill_vector_end
        jal     copy_code
        lui     $a2, KSEG0_BASE >> 16
        la      $a0, general_vector
        la      $a1, general_vector_end
        jal     copy_code
        addiu   $a2, $a2, 0x180
        la      $a0, general_vector
        la      $a1, general_vector_end
        jal     copy_code
        addiu   $a2, $a2, 0x80
        li      $t0, CAUSE_IV
        mtc0    $t0, $13, 0                     # Cause
        mtc0    $0, $12, 0                      # Status: kernel mode, interrupts off, BEV off
        ehb
        return_pop

# copy_code(from, end, to): copy words and make them fit to run; a1 and a2 come back: end of source, start of copy.
copy_code:
        move    $t2, $a2
1:      lw      $t0, 0($a0)
        sw      $t0, 0($t2)
        addiu   $a0, $a0, 4
        synci   0($t2)
        bne     $a0, $a1, 1b
        addiu   $t2, $t2, 4
        sync
        jr      $ra
        nop
