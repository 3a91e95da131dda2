# The user's program.  It runs in user mode at USER_TEXT, as a copy that the page fault handler makes of this text.
# It knows no address of the kernel's, and its own only as distances from user_text.

        .balign 4
user_text:
user_patch:                                     # becomes a function in a page of data; first, so at USER_TEXT
        li      $v0, 77
        jr      $ra
        nop
user_message:
        .asciiz "hello from user mode\n"
        .equ    user_message_length, . - user_message - 1
        .equ    user_message_address, USER_TEXT + user_message - user_text
        .balign 4

# The main program: exits with a sum of what it found.
user_main:
        move    $s0, $0
        li      $a0, user_message_address
        li      $a1, user_message_length
        li      $v0, SYS_WRITE
        syscall
        xori    $v0, $v0, user_message_length
        addu    $s0, $s0, $v0                   # 0

        li      $v0, 99                         # no such call
        syscall
        addiu   $v0, $v0, 1
        addu    $s0, $s0, $v0                   # 0

# Eight pages: four written first, four read first and then written; one of the reads is in a delay slot.
        li      $s1, USER_DATA
        li      $s2, 0
1:      sw      $s2, 0($s1)
        addiu   $s2, $s2, 7
        li      $t0, PAGE_SIZE
        slti    $t1, $s2, 28
        bnez    $t1, 1b
        addu    $s1, $s1, $t0
        li      $t2, -1
        b       2f
        lw      $t2, 0($s1)                     # the fault restarts the branch
        li      $t2, 1000                       # never here
2:      addu    $s0, $s0, $t2                   # 0
        lw      $t2, 4($s1)
        sw      $s2, 0($s1)
        addu    $s0, $s0, $t2                   # 0
        addiu   $s2, $s2, 7
        slti    $t1, $s2, 56
        bnez    $t1, 2b
        addu    $s1, $s1, $t0
        lui     $s1, USER_DATA >> 16
        li      $s2, 8
3:      lw      $t2, 0($s1)
        addiu   $s2, $s2, -1
        addu    $s0, $s0, $t2                   # 0 + 7 + ... + 49 = 196
        bnez    $s2, 3b
        addu    $s1, $s1, $t0

        li      $a0, 7                          # 13
        bal     user_fibonacci
        nop
        addu    $s0, $s0, $v0

        li      $t0, USER_TEXT                  # 77: write a function, run it
        li      $t1, USER_DATA + 64
        lw      $t3, 0($t0)                     # user_patch
        lw      $t4, 4($t0)
        sw      $t3, 0($t1)
        sw      $t4, 4($t1)
        sw      $0, 8($t1)
        synci   0($t1)
        synci   8($t1)
        sync
        jalr    $ra, $t1
        nop
        addu    $s0, $s0, $v0

        li      $v0, SYS_TICKS                  # let the timer interrupt us once
        syscall
        move    $s1, $v0
4:      li      $t0, 50
5:      bnez    $t0, 5b
        addiu   $t0, $t0, -1
        li      $v0, SYS_TICKS
        syscall
        beq     $v0, $s1, 4b
        nop

        move    $a0, $s0
        li      $v0, SYS_EXIT
        syscall

user_fibonacci:
        slti    $t0, $a0, 2
        beqz    $t0, 1f
        nop
        jr      $ra
        move    $v0, $a0
1:      addiu   $sp, $sp, -16
        sw      $ra, 12($sp)
        sw      $a0, 8($sp)
        bal     user_fibonacci
        addiu   $a0, $a0, -1
        lw      $a0, 8($sp)
        sw      $v0, 4($sp)
        bal     user_fibonacci
        addiu   $a0, $a0, -2
        lw      $t0, 4($sp)
        lw      $ra, 12($sp)
        addu    $v0, $v0, $t0
        jr      $ra
        addiu   $sp, $sp, 16

# What user mode must not do.  Each ends in the exception that its check names.
user_load_unaligned:
        lui     $t0, USER_DATA >> 16
        lw      $t1, 2($t0)
user_store_unaligned:
        lui     $t0, USER_DATA >> 16
        sh      $t1, 5($t0)
user_load_kernel:
        lui     $t0, KSEG0_BASE >> 16
        lw      $t1, 0($t0)
user_store_kernel:
        lui     $t0, KSEG2_BASE >> 16
        sw      $t1, 0($t0)
user_load_null:
        lw      $t1, 0($0)
user_store_text:
        lui     $t0, USER_TEXT >> 16
        sw      $0, 0($t0)
user_fetch_unaligned:
        lui     $t0, USER_TEXT >> 16
        addiu   $t0, $t0, 2
        jr      $t0
        nop
user_overflow:
        lui     $t0, 0x7fff
        add     $t1, $t0, $t0
user_cp0:
        mfc0    $t0, $12, 0                     # Status
user_cp1:
        .word   0x44800000                      # mtc1 $0, $f0
user_break:
        break
user_trap:
        teq     $0, $0
user_reserved:
        .word   0x00000039                      # SPECIAL has no such function
user_slot:
        lui     $t0, USER_DATA >> 16
user_slot_branch:
        b       user_slot
        lw      $t1, 1($t0)

# RDHWR of the CPU number: the kernel says whether we may.
user_rdhwr:
        rdhwr   $a0, $0
        li      $v0, SYS_EXIT
        syscall
user_text_end:
