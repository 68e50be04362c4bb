"""Where the vectors of thought templates are searched; the ledger is the truth, these follow it."""
