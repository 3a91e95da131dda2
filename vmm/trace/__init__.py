"""What happens, written to files.  ``instructions`` is the trace of ``vmm run --trace``; events of the hypervisor have
only their counters (``--stats``, ``--json``) so far."""
