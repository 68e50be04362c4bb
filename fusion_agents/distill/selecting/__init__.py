"""What a student may learn from: right answers of a log, with consent, in balance."""
