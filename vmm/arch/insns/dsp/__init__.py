"""The DSP module, release 1 and 2.  (MD00374, MIPS32 DSP module)"""
