"""A router that goes on learning: versions, the gate between them, the way back, and drift."""
