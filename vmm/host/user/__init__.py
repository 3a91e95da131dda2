"""User programs on the host kernel: processes, their memory, system calls and signals, as Linux has them on MIPS."""
