"""Learning a saved router again after something was forgotten."""

from pathlib import Path

from fusion_agents.encoders.base import Encoder, NoEncoder
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ArtefactError, EmptyLogError
from fusion_agents.refreshing.cross_fitting import keep_out_of_fold
from fusion_agents.refreshing.versions import Versions
from fusion_agents.routers.artefact import load_router, save_router
from fusion_agents.routers.base import Router
from fusion_agents.routers.pointer import POINTER
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import TrainingPolicy


def refit(
    folder: str | Path,
    log: RoutingLog,
    *,
    reason: str,
    policy: TrainingPolicy | None = None,
    encoder: Encoder | None = None,
) -> Router:
    """Learn a saved router, with its encoder, anew from what a log holds now, and save it there.

    It keeps its options, and those of its arms that the log still has. A folder of versions gets
    one that is current at once, without a gate, and loses all others: they hold what was learned
    before.

    Args:
        folder: As `save_router` or `Versions` made it.
        log: What it learns from.
        reason: Why, for the history of versions.
        policy: Which scores count.
        encoder: The router's, where it cannot be saved.

    Raises:
        ArtefactError: If the router cannot be loaded or saved.
        EmptyLogError: If the log has nothing left of the router's arms.
    """
    path = Path(folder)
    router = load_router(path, encoder=encoder)
    outcomes = log.training_outcomes(policy).outcomes
    known = set(router.fitted.arm_nouns)
    columns = [column for column, arm in enumerate(outcomes.arms) if arm in known]
    if not columns:
        raise EmptyLogError(
            f"the log has nothing left that the router in {str(path)!r} could learn from: "
            "delete the folder"
        )
    if isinstance(router.encoder, NoEncoder):
        router.encoder = LexicalEncoder()
    left = outcomes.take_arms(columns)
    router.fit(left)
    if (path / POINTER).exists():
        keep_out_of_fold(router, left)
        Versions(path).restart(router, reason)
    else:
        save_router(router, path)
    return router


def check_router(folder: str | Path, *, encoder: Encoder | None = None) -> None:
    """Find out before the work whether a router can be learned again.

    Raises:
        ArtefactError: If not.
    """
    try:
        load_router(folder, encoder=encoder)
    except ArtefactError as error:
        raise ArtefactError(f"nothing is forgotten yet: {error}") from error
