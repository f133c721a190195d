"""Types of every documented operation: `types` at run time, `v3` and `v2` for type checkers and editors."""
