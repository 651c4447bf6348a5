"""Foreign formats, one a file: what comes in as rows and leaves as facts."""
