"""Questions to the log: the public relations, the audits, and the sandbox in which every SQL statement runs."""
