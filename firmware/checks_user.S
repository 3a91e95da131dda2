# Checks in user mode: the program in user.S, and what it must not do.

# Where a label of user.S is in the user's own addresses; tables, for only .word takes such a distance.
        .macro  user_entry label
        .word   USER_TEXT + \label - user_text
        .endm

        .macro  expect_user entry, code, name
        load    $a0, \entry
        jal     probe_user
        nop
        li      $v1, \code
        expect  \name
        .endm

        .macro  expect_caught value, name
        load    $v0, caught_badvaddr
        li      $v1, \value
        expect  \name
        .endm

check_user:
        push_ra
        store   $0, pages_given, $t0
        store   $0, pages_dirtied, $t0
        store   $0, user_ticks, $t0
        jal     timer_start
        nop
        expect_user entry_main, EXIT_CALLED, user-exit
        jal     timer_stop
        nop
        load    $v0, exit_value
        li      $v1, 286                        # 196 + 13 + 77
        expect  user-result
        load    $v0, pages_given
        li      $v1, 10                         # text, stack, 8 of data
        expect  user-pages
        load    $v0, pages_dirtied
        li      $v1, 4
        expect  user-dirtied
        load    $v0, user_ticks
        sltu    $v0, $0, $v0
        li      $v1, 1
        expect  user-interrupted

        expect_user entry_load_unaligned, EXC_ADEL, user-load-unaligned
        expect_caught USER_DATA + 2, badvaddr
        load    $v0, caught_epc
        load    $v1, entry_load_unaligned
        addiu   $v1, $v1, 4
        expect  epc
        expect_user entry_store_unaligned, EXC_ADES, user-store-unaligned
        expect_user entry_load_kernel, EXC_ADEL, user-load-kernel
        expect_caught KSEG0_BASE, badvaddr-kernel
        expect_user entry_store_kernel, EXC_ADES, user-store-kernel
        expect_user entry_load_null, EXC_TLBL, user-load-null
        expect_user entry_store_text, EXC_MOD, user-store-text
        expect_user entry_fetch_unaligned, EXC_ADEL, user-fetch-unaligned
        expect_caught USER_TEXT + 2, badvaddr-fetch
        expect_user entry_overflow, EXC_OV, user-overflow
        expect_user entry_cp0, EXC_CPU, user-cp0
        expect_user entry_cp1, EXC_CPU, user-cp1
        load    $v0, caught_cause
        ext     $v0, $v0, 28, 2                 # CE: which coprocessor
        li      $v1, 1
        expect  user-cp1-ce
        expect_user entry_break, EXC_BP, user-break
        expect_user entry_trap, EXC_TR, user-trap
        expect_user entry_reserved, EXC_RI, user-reserved
        expect_user entry_slot, EXC_ADEL, user-slot
        load    $v0, caught_epc
        load    $v1, entry_slot_branch
        expect  user-slot-epc
        load    $v0, caught_cause
        srl     $v0, $v0, 31
        li      $v1, 1
        expect  user-slot-bd

        mtc0    $0, $7, 0                       # HWREna: nothing
        ehb
        expect_user entry_rdhwr, EXC_RI, user-rdhwr-refused
        li      $t0, 1
        mtc0    $t0, $7, 0                      # HWREna: the CPU number
        ehb
        expect_user entry_rdhwr, EXIT_CALLED, user-rdhwr
        load    $v0, exit_value
        move    $v1, $0
        expect  cpu-number
        return_pop

entry_main:             user_entry user_main
entry_load_unaligned:   user_entry user_load_unaligned
entry_store_unaligned:  user_entry user_store_unaligned
entry_load_kernel:      user_entry user_load_kernel
entry_store_kernel:     user_entry user_store_kernel
entry_load_null:        user_entry user_load_null
entry_store_text:       user_entry user_store_text
entry_fetch_unaligned:  user_entry user_fetch_unaligned
entry_overflow:         user_entry user_overflow
entry_cp0:              user_entry user_cp0
entry_cp1:              user_entry user_cp1
entry_break:            user_entry user_break
entry_trap:             user_entry user_trap
entry_reserved:         user_entry user_reserved
entry_slot:             user_entry user_slot
entry_slot_branch:      user_entry user_slot_branch
entry_rdhwr:            user_entry user_rdhwr
