# What the kernel does about each exception: handler(frame), interrupts off, on the kernel's stack.
# A handler changes the frame if the interrupted code is to see a difference.

exception_handlers:
        .word   interrupt                       # 0 Int
        .word   page_modified                   # 1 Mod
        .word   page_fault                      # 2 TLBL
        .word   page_fault                      # 3 TLBS
        .word   caught, caught, caught, caught  # 4 AdEL, 5 AdES, 6 IBE, 7 DBE
        .word   system_call                     # 8 Sys
        .word   caught, caught, caught, caught  # 9 Bp, 10 RI, 11 CpU, 12 Ov
        .word   caught, caught, caught, caught  # 13 Tr
        .word   caught, caught, caught, caught
        .word   caught, caught, caught, caught
        .word   caught, caught, caught, caught
        .word   caught, caught, caught

# The probe: run code that is meant to end in an exception, and say in which.

# probe_kernel(code): call it.  probe_user(code): go there in user mode, with an empty stack.
# Both return the exception's code; caught_epc, caught_cause and caught_badvaddr have the rest.
probe_kernel:
        la      $t0, probe_call
        b       probe
        nop
probe_user:
        la      $t0, probe_leave
probe:
        addiu   $sp, $sp, -64
        sw      $s0, 16($sp)
        sw      $s1, 20($sp)
        sw      $s2, 24($sp)
        sw      $s3, 28($sp)
        sw      $s4, 32($sp)
        sw      $s5, 36($sp)
        sw      $s6, 40($sp)
        sw      $s7, 44($sp)
        sw      $fp, 48($sp)
        sw      $gp, 52($sp)
        sw      $ra, 56($sp)
        store   $sp, resume_sp, $t1
        jr      $t0
        nop

probe_call:
        jalr    $ra, $a0
        nop
        li      $a0, -1                         # it came back: no exception at all
        la      $a1, text_no_exception
        b       panic
        nop

probe_leave:
        mfc0    $t0, $12, 0                     # Status: the interrupt mask stays as it is
        ori     $t0, $t0, ST_UM | ST_EXL | ST_IE
        mtc0    $t0, $12, 0
        mtc0    $a0, $14, 0                     # EPC
        li      $sp, USER_STACK_END - 32
        ehb
        eret

# Where the interrupted code goes on after caught(): sp is resume_sp again.
probe_return:
        store   $0, resume_sp, $t0
        lw      $s0, 16($sp)
        lw      $s1, 20($sp)
        lw      $s2, 24($sp)
        lw      $s3, 28($sp)
        lw      $s4, 32($sp)
        lw      $s5, 36($sp)
        lw      $s6, 40($sp)
        lw      $s7, 44($sp)
        lw      $fp, 48($sp)
        lw      $gp, 52($sp)
        lw      $ra, 56($sp)
        jr      $ra
        addiu   $sp, $sp, 64

# An exception that nothing else handles: the end of a probe, or of us.
caught:
        lw      $t0, F_CAUSE($a0)
        srl     $v0, $t0, 2
        andi    $v0, $v0, 0x1f
end_probe:                                      # (frame), the result in v0
        lw      $t0, F_CAUSE($a0)
        lw      $t1, F_EPC($a0)
        lw      $t2, F_BADVADDR($a0)
        store   $t0, caught_cause, $t3
        store   $t1, caught_epc, $t3
        store   $t2, caught_badvaddr, $t3
        load    $t0, resume_sp
        beqz    $t0, 1f
        sw      $v0, F_V0($a0)
        sw      $t0, F_SP($a0)
        la      $t0, probe_return
        sw      $t0, F_EPC($a0)
        lw      $t0, F_STATUS($a0)
        li      $t1, ~ST_EXCEPTION
        and     $t0, $t0, $t1
        jr      $ra
        sw      $t0, F_STATUS($a0)
1:      lw      $a0, F_EPC($a0)
        la      $a1, text_exception

# panic(word, text): as a check that failed.
panic:
        move    $s1, $a0
        move    $s0, $a1
        b       check_failed
        li      $s2, 0

# The timer.

interrupt:
        lw      $t0, F_CAUSE($a0)
        mfc0    $t1, $12, 0                     # Status
        and     $t0, $t0, $t1
        andi    $t0, $t0, CAUSE_IP7
        beqz    $t0, caught                     # nobody asked for any other
        lw      $t1, F_STATUS($a0)
        load    $t0, ticks
        addiu   $t0, $t0, 1
        store   $t0, ticks, $t2
        andi    $t1, $t1, ST_UM
        beqz    $t1, timer_arm
        nop
        load    $t0, user_ticks
        addiu   $t0, $t0, 1
        store   $t0, user_ticks, $t2            # and on into timer_arm

# Ask for an interrupt one period from now; that also answers the last one.  If we were held up so long that Count is
# past Compare already, it would be a whole round of Count until they meet: ask again.
timer_arm:
        mfc0    $t0, $9, 0                      # Count
        addiu   $t0, $t0, TICK
        mtc0    $t0, $11, 0                     # Compare
        ehb
        mfc0    $t1, $9, 0
        subu    $t1, $t1, $t0
        bgez    $t1, timer_arm
        nop
        jr      $ra
        nop

timer_start:
        push_ra
        jal     timer_arm
        nop
        mfc0    $t0, $12, 0                     # Status
        ori     $t0, $t0, ST_IM7
        mtc0    $t0, $12, 0
        ehb
        return_pop

timer_stop:
        mfc0    $t0, $12, 0                     # Status
        li      $t1, ~ST_IM7
        and     $t0, $t0, $t1
        mtc0    $t0, $12, 0
        ehb
        jr      $ra
        nop

# System calls: the number in v0, the result there too.

system_call:
        push_ra
        lw      $t0, F_STATUS($a0)
        andi    $t0, $t0, ST_UM
        beqz    $t0, 3f                         # ours own are probes
        lw      $t0, F_V0($a0)
        sltiu   $t1, $t0, SYS_EXIT + 1
        bnez    $t1, 1f
        sll     $t0, $t0, 2
        move    $t0, $0
1:      la      $t1, system_calls
        addu    $t1, $t1, $t0
        lw      $t1, 0($t1)
        sw      $a0, 16($sp)
        jalr    $ra, $t1
        nop
        lw      $a0, 16($sp)
        lw      $t0, F_EPC($a0)                 # go on behind the instruction
        sw      $v0, F_V0($a0)
        addiu   $t0, $t0, 4
        sw      $t0, F_EPC($a0)
        return_pop
3:      lw      $ra, 28($sp)
        b       caught
        addiu   $sp, $sp, 32

system_calls:
        .word   call_unknown, call_write, call_ticks, call_exit

call_unknown:
        jr      $ra
        li      $v0, -1

call_ticks:
        load    $v0, ticks
        jr      $ra
        nop

# write(text, length): through the user's own addresses, so this may fault.
call_write:
        lw      $t3, F_A0($a0)
        lw      $t4, F_A1($a0)
        li      $t0, UART
        addu    $t5, $t3, $t4
1:      beq     $t3, $t5, 3f
        nop
        lbu     $t1, 0($t3)
        addiu   $t3, $t3, 1
2:      lbu     $t2, UART_LSR($t0)
        andi    $t2, $t2, LSR_THRE
        beqz    $t2, 2b
        nop
        sb      $t1, 0($t0)
        b       1b
        nop
3:      jr      $ra
        move    $v0, $t4

# exit(value): the end of probe_user; we do not go back to the caller in system_call.
call_exit:
        lw      $t0, F_A0($a0)
        store   $t0, exit_value, $t1
        lw      $ra, 28($sp)
        addiu   $sp, $sp, 32
        b       end_probe
        li      $v0, EXIT_CALLED

text_exception:         .asciiz "an exception that no check asked for"
text_no_exception:      .asciiz "an exception that did not come"
        .balign 4
resume_sp:              .word   0               # the stack of the probe under way; 0 for none
caught_cause:           .word   0
caught_epc:             .word   0
caught_badvaddr:        .word   0
exit_value:             .word   0
ticks:                  .word   0
user_ticks:             .word   0
