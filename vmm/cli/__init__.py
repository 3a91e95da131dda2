"""The command line: one verb a file, its options as rows in ``vmm.cli.options``."""
