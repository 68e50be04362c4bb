"""What users and our own tests share: contracts that every router, encoder and format must pass."""
