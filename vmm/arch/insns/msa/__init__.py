"""MIPS SIMD Architecture: 32 vector registers of 128 bits over the floating-point registers.  (MD00866; mips.md 8.4, 9)

A register is lanes of one data format: .b .h .w .d, 8 to 64 bits.  Lane 0 is the least significant, in either byte order.
Invariant: ``vmm.arch.insns.msa.formats`` makes one row for each mnemonic and format; what an operation computes is
written once, over lanes.
"""
