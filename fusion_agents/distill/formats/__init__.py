"""Files that trainers read: one format, one module."""
