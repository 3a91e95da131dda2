# The bundled guest: a small kernel that checks the machine it runs on and says what it found.
#
# One source for three ways to run.  Bare and in a VZ guest it is linked at KSEG0_BASE = 0x80000000 + 1 MiB; under
# trap-and-emulate at 0x40000000 + 1 MiB.  Nothing that it prints depends on that, on the page size, the byte order
# or the speed.  See README.md for the map, the symbols and the exit status.

        .set    noreorder
        .set    noat
        .include "constants.S"

        .globl  _start
_start:
        la      $sp, kernel_stack
        move    $s0, $a0                        # YAMON: argc, argv, envp, bytes of memory
        move    $s1, $a1
        move    $s2, $a2
        move    $s3, $a3
        jal     install_vectors
        nop
        jal     tlb_init
        nop
        la      $a0, text_banner
        jal     puts
        nop

        jal     print_arguments
        nop
        jal     check_memory
        nop
        jal     check_registers
        nop
        jal     check_instructions
        nop
        jal     check_exceptions
        nop
        jal     check_self_modifying
        nop
        jal     check_timer
        nop
        jal     check_pages
        nop
        jal     check_user
        nop

        la      $a0, text_all
        jal     puts
        nop
        load    $a0, checks_passed
        jal     put_decimal
        nop
        la      $a0, text_passed
        jal     puts
        nop
        b       stop
        move    $a0, $0

# The second argument is the command line; the first is our own name, which says how we were started.
print_arguments:
        push_ra
        la      $a0, text_arguments
        jal     puts
        nop
        slti    $t0, $s0, 2
        bnez    $t0, 1f
        nop
        lw      $a0, 4($s1)
        beqz    $a0, 1f
        nop
        lbu     $t0, 0($a0)
        beqz    $t0, 1f
        nop
        jal     puts
        nop
        b       2f
        nop
1:      la      $a0, text_none
        jal     puts
        nop
2:      la      $a0, text_newline
        jal     puts
        nop
        return_pop

# envp is name, value, name, value, ..., 0.  memsize is in decimal and says what a3 says.
check_memory:
        push_ra
1:      lw      $t0, 0($s2)
        beqz    $t0, 4f
        move    $v0, $0
        la      $t1, text_memsize
2:      lbu     $t2, 0($t0)
        lbu     $t3, 0($t1)
        addiu   $t0, $t0, 1
        bne     $t2, $t3, 5f
        addiu   $t1, $t1, 1
        bnez    $t2, 2b
        nop
        lw      $t0, 4($s2)
        li      $t4, 10
3:      lbu     $t2, 0($t0)
        addiu   $t0, $t0, 1
        addiu   $t2, $t2, -0x30                 # '0'
        sltiu   $t3, $t2, 10
        beqz    $t3, 4f
        nop
        mul     $v0, $v0, $t4
        b       3b
        addu    $v0, $v0, $t2
5:      b       1b
        addiu   $s2, $s2, 8
4:      sw      $v0, 16($sp)
        move    $v1, $s3
        expect  memory-size
        la      $a0, text_memory
        jal     puts
        nop
        lw      $a0, 16($sp)
        jal     put_decimal
        srl     $a0, $a0, 20
        la      $a0, text_mib
        jal     puts
        nop
        return_pop

text_banner:    .asciiz "vmm guest kernel\n"
text_arguments: .asciiz "arguments: "
text_none:      .asciiz "(none)"
text_memsize:   .asciiz "memsize"
text_memory:    .asciiz "memory: "
text_mib:       .asciiz " MiB\n"
text_all:       .asciiz "all "
text_passed:    .asciiz " checks passed\n"
        .balign 4

        .include "vectors.S"
        .include "exceptions.S"
        .include "memory.S"
        .include "console.S"
        .include "checks_cpu.S"
        .include "checks_pages.S"
        .include "checks_user.S"
        .include "user.S"

# Behind the image, in memory that the loader clears.
        .balign PAGE_SIZE
        .globl  image_end, bss_end
image_end:
        .equ    top_table,      image_end
        .equ    top_table_b,    image_end + PAGE_SIZE
        .equ    empty_table,    image_end + PAGE_SIZE + PAGE_SIZE
        .equ    kernel_stack,   image_end + (PAGE_SIZE << 2) - 32
        .equ    pool,           image_end + (PAGE_SIZE << 2)
        .equ    pool_end,       image_end + (PAGE_SIZE * (4 + POOL_PAGES))
        .equ    bss_end,        pool_end
