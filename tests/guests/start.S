/* Entry: kernel mode, unmapped segment, no stack.  Assembles for o32 and n64. */
#include "machine.h"

        .set    noreorder
        .section .text.start, "ax"
        .globl  _start
_start: li      $8, STATUS              /* no interrupts, BEV, EXL and ERL clear */
        mtc0    $8, $12
        ehb
        LA      $8, bss_start
        LA      $9, bss_end
1:      beq     $8, $9, 2f
        nop
        sw      $0, 0($8)
        b       1b
        ADDIU   $8, $8, 4
2:      LA      $29, stack_top
        LA      $28, 0
        LA      $25, guest_main
        jalr    $25
        nop
        LA      $25, power_off
        jalr    $25
        move    $4, $2
3:      b       3b
        nop
