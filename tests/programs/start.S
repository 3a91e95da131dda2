/* Where programs begin, system calls, and new threads.  o32 and n64 by _MIPS_SIM; the assembler fills delay slots. */
#include <sys/regdef.h>
#include <asm/unistd.h>

#if _MIPS_SIM == _ABIO32
#define LONG_S sw
#define LONG_L lw
#define LONG_SUBU subu
#define LONG_NEGU negu
#define WORD 4
#else
#define LONG_S sd
#define LONG_L ld
#define LONG_SUBU dsubu
#define LONG_NEGU dnegu
#define WORD 8
#endif

        .text
        .globl  __start, call, start_thread
__start:
        move    a0, sp
        LONG_SUBU sp, sp, 64
        jal     begin

/* long call(long number, long a, long b, long c, long d, long e, long f): its result, or minus the error */
call:
        move    v0, a0
        move    a0, a1
        move    a1, a2
        move    a2, a3
#if _MIPS_SIM == _ABIO32
        lw      a3, 16(sp)
        lw      t0, 20(sp)
        lw      t1, 24(sp)
        subu    sp, sp, 32
        sw      t0, 16(sp)
        sw      t1, 20(sp)
        syscall
        addu    sp, sp, 32
#else
        move    a3, a4
        move    a4, a5
        move    a5, a6
        syscall
#endif
        beqz    a3, 1f
        LONG_NEGU v0, v0
1:      jr      ra

/* long start_thread(long flags, void *stack, int *tid, void (*body)(void *), void *argument): body ends by exit */
start_thread:
#if _MIPS_SIM == _ABIO32
        lw      t0, 16(sp)
#else
        move    t0, a4
#endif
        LONG_SUBU a1, a1, 64
        LONG_S  a3, 32(a1)
        LONG_S  t0, 32 + WORD(a1)
        move    t1, a2
        move    a3, zero
#if _MIPS_SIM == _ABIO32
        subu    sp, sp, 32
        sw      t1, 16(sp)
#else
        move    a4, t1
#endif
        li      v0, __NR_clone
        syscall
#if _MIPS_SIM == _ABIO32
        bnez    v0, 2f
#else
        bnez    v0, 2f
#endif
        LONG_L  t9, 32(sp)
        LONG_L  a0, 32 + WORD(sp)
        jalr    t9
        move    a0, zero
        li      v0, __NR_exit
        syscall
2:
#if _MIPS_SIM == _ABIO32
        addu    sp, sp, 32
#endif
        beqz    a3, 3f
        LONG_NEGU v0, v0
3:      jr      ra
