# Names for numbers.  The build gives five more: KSEG0_BASE, KSEG2_BASE, PAGE_SHIFT, REFILL_BY_CONTEXT, BIG_ENDIAN.

# Devices: Malta's 16550 on the ISA bus and the registers of its FPGA (uncached, the same in every way to run).
        .equ    UART,           0xb80003f8
        .equ    UART_LSR,       5               # offset of the line status register
        .equ    LSR_THRE,       0x20            # the transmitter takes a byte
        .equ    ASCIIWORD,      0xbf000410      # our exit status goes here
        .equ    SOFTRES,        0xbf000500      # 0x42 resets the board

# Status, Cause, and the exception codes (MIPS32 Vol III, Status and Cause registers).
        .equ    ST_IE,          0x00000001
        .equ    ST_EXL,         0x00000002
        .equ    ST_UM,          0x00000010
        .equ    ST_IM7,         0x00008000
        .equ    ST_BEV,         0x00400000
        .equ    ST_EXCEPTION,   0x0000001f      # KSU, ERL, EXL, IE
        .equ    CAUSE_IP7,      0x00008000
        .equ    CAUSE_IV,       0x00800000

        .equ    EXC_MOD,        1
        .equ    EXC_TLBL,       2
        .equ    EXC_TLBS,       3
        .equ    EXC_ADEL,       4
        .equ    EXC_ADES,       5
        .equ    EXC_SYS,        8
        .equ    EXC_BP,         9
        .equ    EXC_RI,         10
        .equ    EXC_CPU,        11
        .equ    EXC_OV,         12
        .equ    EXC_TR,         13
        .equ    EXIT_CALLED,    32              # not an exception: the program made the exit system call

# Pages.  Two levels: the top table points at leaf tables of one page, 4 bytes a page.
        .equ    PAGE_SIZE,      1 << PAGE_SHIFT
        .equ    PAGE_MASK,      (PAGE_SIZE << 1) - 0x2000       # the PageMask register: 4 KiB is 0
        .equ    TOP_SHIFT,      PAGE_SHIFT + PAGE_SHIFT - 2

# A leaf entry is an EntryLo shifted left by two, over two bits of our own.
        .equ    PTE_PRESENT,    0x01
        .equ    PTE_WRITE,      0x02            # may be written; D says that it has been
        .equ    PTE_V,          0x08
        .equ    PTE_D,          0x10
        .equ    PTE_CACHED,     0x60

# The address space.  Everything of the user's is below 0x3fff8000, where trap-and-emulate's user segment ends,
# and above 0x8000, below which trap-and-emulate keeps a page of its own.
        .equ    USER_TEXT,      0x00400000
        .equ    USER_DATA,      0x10000000
        .equ    USER_ALONE,     0x20000000      # a page that differs between address spaces
        .equ    USER_STACK,     0x3fff0000
        .equ    USER_STACK_END, 0x3fff8000

        .equ    SYS_WRITE,      1
        .equ    SYS_TICKS,      2
        .equ    SYS_EXIT,       3

        .equ    TICK,           8000            # timer period in Count steps
        .equ    POOL_PAGES,     40

# The frame of an exception, on the kernel's stack.
        .equ    F_AT,           16
        .equ    F_V0,           20
        .equ    F_V1,           24
        .equ    F_A0,           28
        .equ    F_A1,           32
        .equ    F_A2,           36
        .equ    F_A3,           40
        .equ    F_T0,           44
        .equ    F_T1,           48
        .equ    F_T2,           52
        .equ    F_T3,           56
        .equ    F_T4,           60
        .equ    F_T5,           64
        .equ    F_T6,           68
        .equ    F_T7,           72
        .equ    F_T8,           76
        .equ    F_T9,           80
        .equ    F_SP,           84
        .equ    F_RA,           88
        .equ    F_HI,           92
        .equ    F_LO,           96
        .equ    F_STATUS,       100
        .equ    F_CAUSE,        104
        .equ    F_EPC,          108
        .equ    F_BADVADDR,     112
        .equ    FRAME,          120

# A variable of the kernel to a register, and back by way of a second register.
        .macro  load reg, name
        lui     \reg, %hi(\name)
        lw      \reg, %lo(\name)(\reg)
        .endm

        .macro  store reg, name, temporary
        lui     \temporary, %hi(\name)
        sw      \reg, %lo(\name)(\temporary)
        .endm

        .macro  push_ra
        addiu   $sp, $sp, -32
        sw      $ra, 28($sp)
        .endm

        .macro  return_pop
        lw      $ra, 28($sp)
        jr      $ra
        addiu   $sp, $sp, 32
        .endm

# One check: v0 is what we got, v1 what we want.  The name stands behind the call.
        .macro  expect name
        jal     check
        nop
        .asciiz "\name"
        .balign 4
        .endm
