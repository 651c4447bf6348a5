"""Foreign bytes: for each way into the program one function that takes any bytes, and seeds to begin from.

A target gets a value or a `LedgerError` and checks what has to be true of it; anything else that it raises is a bug.
"""
