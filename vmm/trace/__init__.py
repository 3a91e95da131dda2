"""Events to files.  Empty so far: the counters of ``--stats`` and ``--json`` are all that is recorded of exits."""
