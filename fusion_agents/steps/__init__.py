"""The steps of query-level fusion: classify, answer, judge, record.

The chain runs them one after the other, the nodes of the query-level graph run one each.
"""
