"""System calls of user programs, by subject; ``table`` has the numbers."""
