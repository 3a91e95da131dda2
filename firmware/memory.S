# Pages: the TLB, the page tables, and what happens on a fault.

# Every entry invalid, and each for another address, so that no two ever match.
tlb_init:
        li      $t0, PAGE_MASK
        mtc0    $t0, $5, 0                      # PageMask
        mtc0    $0, $6, 0                       # Wired
        mtc0    $0, $2, 0                       # EntryLo0
        mtc0    $0, $3, 0                       # EntryLo1
        mtc0    $0, $4, 0                       # Context
        mfc0    $t0, $16, 1                     # Config1: the number of entries, less one, is bits 30 to 25
        srl     $t0, $t0, 25
        andi    $t0, $t0, 0x3f
        li      $t2, PAGE_SHIFT + 1
        sllv    $t1, $t0, $t2
        lui     $t2, KSEG0_BASE >> 16
        addu    $t1, $t1, $t2                   # entry n: page pair n of kseg0, which is never looked up
        li      $t2, PAGE_SIZE << 1
1:      mtc0    $t1, $10, 0                     # EntryHi
        mtc0    $t0, $0, 0                      # Index
        ehb
        tlbwi
        subu    $t1, $t1, $t2
        bnez    $t0, 1b
        addiu   $t0, $t0, -1
        li      $t0, 1
        mtc0    $t0, $10, 0                     # EntryHi: address space 1
        ehb
        jr      $ra
        nop

# entry_of(address): where its leaf entry is; makes the leaf table if there is none.
entry_of:
        push_ra
        srl     $t0, $a0, TOP_SHIFT
        sll     $t0, $t0, 2
        load    $t1, current_table
        addu    $t1, $t1, $t0
        lw      $v0, 0($t1)
        bnez    $v0, 1f
        nop
        sw      $t1, 16($sp)
        jal     page_new
        nop
        lw      $t1, 16($sp)
        sw      $v0, 0($t1)
1:      srl     $t0, $a0, PAGE_SHIFT - 2
        andi    $t0, $t0, PAGE_SIZE - 4
        addu    $v0, $v0, $t0
        return_pop

# page_new(): a page of zeros.  The pool is in .bss, which the loader cleared, and no page comes back to it.
page_new:
        load    $v0, pool_next
        la      $t0, pool_end
        beq     $v0, $t0, 1f
        addiu   $t0, $v0, PAGE_SIZE
        store   $t0, pool_next, $t2
        jr      $ra
        nop
1:      la      $a1, text_pool
        b       panic
        move    $a0, $v0

# tlb_update(address, leaf entry's place): bring the TLB up to date with the tables.
tlb_update:
        mfc0    $t0, $10, 0                     # EntryHi
        andi    $t0, $t0, 0xff
        srl     $t1, $a0, PAGE_SHIFT + 1
        sll     $t1, $t1, PAGE_SHIFT + 1
        or      $t0, $t0, $t1
        mtc0    $t0, $10, 0                     # EntryHi: this pair, the same address space
        ehb
        tlbp
        srl     $t0, $a1, 3                     # the even entry of the pair
        sll     $t0, $t0, 3
        lw      $t1, 0($t0)
        lw      $t2, 4($t0)
        srl     $t1, $t1, 2
        srl     $t2, $t2, 2
        mtc0    $t1, $2, 0                      # EntryLo0
        mtc0    $t2, $3, 0                      # EntryLo1
        ehb
        mfc0    $t0, $0, 0                      # Index
        bltz    $t0, 1f
        nop
        tlbwi
        ehb
        jr      $ra
        nop
1:      tlbwr
        ehb
        jr      $ra
        nop

# TLB refill found nothing, or the entry is invalid: give the address a page if it lies in a region.
page_fault:
        addiu   $sp, $sp, -40
        sw      $ra, 36($sp)
        sw      $a0, 16($sp)
        lw      $t0, F_BADVADDR($a0)
        la      $t1, regions
1:      lw      $t2, 0($t1)                     # start
        lw      $t3, 4($t1)                     # end
        beq     $t2, $t3, page_refused          # the last one is empty
        sltu    $t4, $t0, $t2
        bnez    $t4, 2f
        sltu    $t4, $t0, $t3
        bnez    $t4, 3f
        nop
2:      b       1b
        addiu   $t1, $t1, REGION
3:      sw      $t1, 20($sp)
        lw      $t2, F_CAUSE($a0)
        andi    $t2, $t2, 0x7c
        xori    $t2, $t2, EXC_TLBS << 2
        sltiu   $t2, $t2, 1                     # 1 for a store
        lw      $t3, 8($t1)                     # protection
        nor     $t4, $t3, $0
        and     $t4, $t4, $t2
        bnez    $t4, page_refused               # a store to what may not be written
        sll     $t2, $t2, 4                     # PTE_D for a store
        sll     $t3, $t3, 1                     # PTE_WRITE if it may be written
        or      $t2, $t2, $t3
        ori     $t2, $t2, PTE_PRESENT | PTE_V | PTE_CACHED
        sw      $t2, 24($sp)
        jal     entry_of
        move    $a0, $t0
        lw      $t1, 0($v0)
        bnez    $t1, 4f                         # it was there: only the TLB did not know
        sw      $v0, 28($sp)
        jal     page_new
        nop
        lw      $t1, 20($sp)
        sw      $v0, 32($sp)
        lw      $a0, 12($t1)                    # what stands there at first
        lw      $a1, 16($t1)
        beq     $a0, $a1, 5f
        move    $a2, $v0
        jal     copy_code
        nop
5:      load    $t0, pages_given
        addiu   $t0, $t0, 1
        store   $t0, pages_given, $t1
        lw      $t0, 32($sp)
        lui     $t1, KSEG0_BASE >> 16
        subu    $t0, $t0, $t1                   # physical
        srl     $t0, $t0, 4
        lw      $t1, 24($sp)
        or      $t0, $t0, $t1
        lw      $t1, 28($sp)
        sw      $t0, 0($t1)
4:      lw      $a0, 16($sp)
        lw      $a1, 28($sp)
        jal     tlb_update
        lw      $a0, F_BADVADDR($a0)
        lw      $ra, 36($sp)
        jr      $ra
        addiu   $sp, $sp, 40
page_refused:
        lw      $ra, 36($sp)
        lw      $a0, 16($sp)
        b       caught
        addiu   $sp, $sp, 40

# A store to a clean page: from now on it is dirty, if it may be written at all.
page_modified:
        push_ra
        sw      $a0, 16($sp)
        jal     entry_of
        lw      $a0, F_BADVADDR($a0)
        lw      $t0, 0($v0)
        lw      $a0, 16($sp)
        andi    $t1, $t0, PTE_WRITE
        beqz    $t1, 1f
        ori     $t0, $t0, PTE_D
        sw      $t0, 0($v0)
        load    $t0, pages_dirtied
        addiu   $t0, $t0, 1
        store   $t0, pages_dirtied, $t1
        lw      $a0, F_BADVADDR($a0)
        jal     tlb_update
        move    $a1, $v0
        return_pop
1:      lw      $ra, 28($sp)
        b       caught
        addiu   $sp, $sp, 32

# What may be mapped: start, end, 1 if it may be written, and the code that its first page begins with.
        .equ    REGION, 20
regions:
        .word   USER_TEXT, USER_TEXT + PAGE_SIZE, 0, user_text, user_text_end
        .word   USER_DATA, USER_DATA + (PAGE_SIZE << 3), 1, 0, 0
        .word   USER_ALONE, USER_ALONE + PAGE_SIZE, 1, 0, 0
        .word   USER_STACK, USER_STACK_END, 1, 0, 0
        .word   KSEG2_BASE, KSEG2_BASE + (PAGE_SIZE << 2), 1, 0, 0
        .word   0, 0, 0, 0, 0

text_pool:      .asciiz "page pool empty"
        .balign 4
current_table:  .word   top_table
pool_next:      .word   pool
pages_given:    .word   0
pages_dirtied:  .word   0
