"""State to bytes.  Empty so far; what has to go in is declared: ``vmm.arch.state.SLOTS`` and the devices' ``State``."""
