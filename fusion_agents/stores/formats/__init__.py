"""Importers and exporters of logs, one file per format.

A module here that defines a `Format` or a `Writer` is found by `fusion_agents.stores.formats.base`
under the module's name; nothing is registered. Third parties add theirs through entry points of
the group `fusion_agents.formats`.
"""
