# The console, the checks and the end.

# puts(text)
puts:
        li      $t0, UART
1:      lbu     $t1, 0($a0)
        addiu   $a0, $a0, 1
        beqz    $t1, 3f
        nop
2:      lbu     $t2, UART_LSR($t0)
        andi    $t2, $t2, LSR_THRE
        beqz    $t2, 2b
        nop
        sb      $t1, 0($t0)
        b       1b
        nop
3:      jr      $ra
        nop

# put_hex(word): eight digits.
put_hex:
        push_ra
        addiu   $t3, $sp, 16                    # the text grows up from here
        li      $t4, 8
1:      srl     $t5, $a0, 28
        sltiu   $t6, $t5, 10
        addiu   $t5, $t5, 0x30                  # '0'
        bnez    $t6, 2f
        nop
        addiu   $t5, $t5, 0x27                  # 'a' - 10 - '0'
2:      sb      $t5, 0($t3)
        addiu   $t3, $t3, 1
        addiu   $t4, $t4, -1
        bnez    $t4, 1b
        sll     $a0, $a0, 4
        sb      $0, 0($t3)
        jal     puts
        addiu   $a0, $sp, 16
        return_pop

# put_decimal(word)
put_decimal:
        push_ra
        addiu   $t3, $sp, 27                    # the text grows down from here
        sb      $0, 0($t3)
        li      $t4, 10
1:      divu    $0, $a0, $t4
        mfhi    $t5
        mflo    $a0
        addiu   $t3, $t3, -1
        addiu   $t5, $t5, 0x30                  # '0'
        bnez    $a0, 1b
        sb      $t5, 0($t3)
        jal     puts
        move    $a0, $t3
        return_pop

# Compare v0 with v1 under the name at ra; go on behind the name, or stop for good.
check:
        addiu   $sp, $sp, -40
        sw      $s0, 24($sp)
        sw      $s1, 28($sp)
        sw      $s2, 32($sp)
        move    $s0, $ra
        move    $s1, $v0
        bne     $v0, $v1, check_failed
        move    $s2, $v1
        la      $a0, text_ok
        jal     puts
        nop
        jal     puts
        move    $a0, $s0
        la      $a0, text_newline
        jal     puts
        nop
        load    $t0, checks_passed
        addiu   $t0, $t0, 1
        store   $t0, checks_passed, $t1
1:      lbu     $t0, 0($s0)                     # find the end of the name
        bnez    $t0, 1b
        addiu   $s0, $s0, 1
        addiu   $s0, $s0, 3                     # and the word boundary behind it
        srl     $s0, $s0, 2
        sll     $ra, $s0, 2
        lw      $s0, 24($sp)
        lw      $s1, 28($sp)
        lw      $s2, 32($sp)
        jr      $ra
        addiu   $sp, $sp, 40

check_failed:
        la      $a0, text_failed
        jal     puts
        nop
        jal     puts
        move    $a0, $s0
        la      $a0, text_got
        jal     puts
        nop
        jal     put_hex
        move    $a0, $s1
        la      $a0, text_want
        jal     puts
        nop
        jal     put_hex
        move    $a0, $s2
        la      $a0, text_newline
        jal     puts
        nop
        li      $a0, 1

# stop(status): tell the board, reset it, and wait for that.
stop:
        li      $t0, ASCIIWORD
        sw      $a0, 0($t0)
        li      $t0, SOFTRES
        li      $t1, 0x42
        sw      $t1, 0($t0)
1:      wait
        b       1b
        nop

text_ok:        .asciiz "ok "
text_failed:    .asciiz "FAILED "
text_got:       .asciiz " got "
text_want:      .asciiz " want "
text_newline:   .asciiz "\n"
        .balign 4
checks_passed:  .word   0
