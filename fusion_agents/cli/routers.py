"""`fusion-agents routers`: which routers there are."""

import inspect

from rich.table import Table
from rich.text import Text

from fusion_agents.cli.console import results


def routers() -> None:
    """List the routers, with the options that a spec may set.

    Example of a spec with options:
      fusion-agents evaluate --log routing.db --routers auto,knn:k=50
    """
    from fusion_agents.routers.catalogue import hyper_parameters, router_classes

    table = Table("router", "what it does", "options")
    for name, cls in router_classes().items():
        summary = (inspect.getdoc(cls) or "").partition("\n")[0]
        options = {key: value for key, value in hyper_parameters(cls).items() if key != "seed"}
        shown = ", ".join(f"{key}={value}" for key, value in options.items())
        table.add_row(Text(name, style="bold"), Text(summary), Text(shown))
    results().print(table)
