"""A log judged: asynchronously, resumably, within a budget, by a judge that is measured."""
