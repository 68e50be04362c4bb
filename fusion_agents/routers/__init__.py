"""Query-level fusion: routers that learn from the log which arm should answer a query."""

from fusion_agents.routers.catalogue import make_router, router_classes

__all__ = ["make_router", "router_classes"]
