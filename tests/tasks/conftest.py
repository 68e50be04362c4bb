"""A folder with copies of the hub's repositories, holding the small data."""

from pathlib import Path

import pytest

from fusion_agents.tasks import HubLoader
from tests.tasks.hub_copy import write_hub_copy


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> HubLoader:
    """Load as from the hub, from copies of its repositories."""
    pytest.importorskip("datasets")
    folder = tmp_path_factory.mktemp("hub")
    write_hub_copy(folder)
    return HubLoader(folder=folder, cache=Path(tmp_path_factory.mktemp("cache")))
