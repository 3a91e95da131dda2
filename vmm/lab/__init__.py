"""Experiments on the host kernel: a workload, what is measured, a table and a plot."""
