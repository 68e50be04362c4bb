"""Classifiers: which arm should answer; one file each."""
