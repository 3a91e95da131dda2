# Checks of the TLB and the page tables, in kernel mode.

# use_table(table, address space)
use_table:
        store   $a0, current_table, $t0
        mtc0    $a1, $10, 0                     # EntryHi
        ehb
        jr      $ra
        nop

check_pages:
        push_ra
        la      $s0, pages_given
        la      $s1, pages_dirtied

        lui     $s2, KSEG2_BASE >> 16           # the kernel's mapped segment: first a store
        lui     $t0, 0x1357
        sw      $t0, 16($s2)
        lw      $v0, 16($s2)
        lui     $v1, 0x1357
        expect  mapped-store
        li      $t0, PAGE_SIZE                  # the next page: first a load
        addu    $s3, $s2, $t0
        lw      $v0, 8($s3)
        move    $v1, $0
        expect  mapped-load
        lw      $v0, 0($s1)
        move    $v1, $0
        expect  page-clean
        lui     $t0, 0x2468
        sw      $t0, 8($s3)
        sw      $t0, 12($s3)
        lw      $v0, 0($s1)
        li      $v1, 1
        expect  page-dirty
        lw      $v0, 0($s0)
        li      $v1, 2
        expect  pages-given

        jal     entry_of                        # the same bytes by their unmapped address
        move    $a0, $s3
        lw      $t0, 0($v0)
        srl     $t0, $t0, 8
        sll     $t0, $t0, 12
        lui     $t1, KSEG0_BASE >> 16
        addu    $t0, $t0, $t1
        lw      $v0, 8($t0)
        lw      $v1, 12($s3)
        expect  mapped-alias

        mfc0    $t0, $10, 0                     # EntryHi: find the pair in the TLB
        andi    $t0, $t0, 0xff
        or      $s5, $t0, $s2
        li      $s6, 1000                       # times; a hypervisor may empty the TLB at any moment
2:      lw      $t0, 0($s2)
        mtc0    $s5, $10, 0
        ehb
        tlbp
        ehb
        mfc0    $v0, $0, 0                      # Index
        srl     $v0, $v0, 31
        tlbr
        ehb
        mfc0    $t0, $10, 0                     # the same one again: it was still there
        bne     $t0, $s5, 3f
        mfc0    $s4, $3, 0                      # EntryLo1: the odd page of the pair
        beqz    $v0, 4f
        nop
3:      addiu   $s6, $s6, -1
        bnez    $s6, 2b
        nop
4:      move    $v1, $0
        expect  tlb-probe
        jal     entry_of
        move    $a0, $s3
        lw      $v1, 0($v0)
        srl     $v1, $v1, 2
        move    $v0, $s4
        expect  tlb-read
        mtc0    $0, $2, 0                       # EntryLo0
        mtc0    $0, $3, 0                       # EntryLo1
        mfc0    $t1, $0, 0                      # Index
        li      $t2, PAGE_SHIFT + 1
        sllv    $t1, $t1, $t2
        lui     $t2, KSEG0_BASE >> 16
        addu    $t1, $t1, $t2
        mtc0    $t1, $10, 0                     # EntryHi: an address that no entry is looked up for
        ehb
        tlbwi
        ehb
        ori     $t0, $s2, 1
        mtc0    $t0, $10, 0
        ehb
        tlbp
        ehb
        mfc0    $v0, $0, 0                      # Index
        srl     $v0, $v0, 31
        li      $v1, 1
        expect  tlb-gone
        lw      $v0, 16($s2)                    # comes back by a refill alone
        lui     $v1, 0x1357
        expect  tlb-refill
        lw      $v0, 0($s0)
        li      $v1, 2
        expect  no-new-pages

        lui     $s2, USER_ALONE >> 16           # one address, two address spaces
        li      $t0, 111
        sw      $t0, 0($s2)
        la      $a0, top_table_b
        jal     use_table
        li      $a1, 2
        lw      $v0, 0($s2)
        move    $v1, $0
        expect  space-two-empty
        li      $t0, 222
        sw      $t0, 0($s2)
        la      $a0, top_table
        jal     use_table
        li      $a1, 1
        lw      $v0, 0($s2)
        li      $v1, 111
        expect  space-one
        la      $a0, top_table_b
        jal     use_table
        li      $a1, 2
        lw      $v0, 0($s2)
        li      $v1, 222
        expect  space-two
        la      $a0, top_table
        jal     use_table
        li      $a1, 1
        return_pop
