"""Training data as a folder: written at once, read with every byte checked, with lineage."""
