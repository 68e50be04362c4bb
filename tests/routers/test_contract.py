from importlib import import_module
from pkgutil import iter_modules

from fusion_agents.outcomes import Outcomes
from fusion_agents.routers.base import Router
from fusion_agents.routers.best import BestRouter
from fusion_agents.routers.catalogue import router_classes
from fusion_agents.routers.cheapest import CheapestRouter
from fusion_agents.routers.cluster import ClusterRouter
from fusion_agents.routers.elo import EloRouter
from fusion_agents.routers.irt import IRTRouter
from fusion_agents.routers.knn import KNNRouter
from fusion_agents.routers.largest import LargestRouter
from fusion_agents.routers.mf import MFRouter
from fusion_agents.routers.mlp import MLPRouter
from fusion_agents.routers.oracle import OracleRouter
from fusion_agents.routers.random import RandomRouter
from fusion_agents.routers.ridge import RidgeRouter
from fusion_agents.routers.svm import SVMRouter
from fusion_agents.routers.task_best import TaskBestRouter
from fusion_agents.testing.router_contract import RouterContract


class TestBest(RouterContract):
    def make(self) -> Router:
        return BestRouter()


class TestTaskBest(RouterContract):
    def make(self) -> Router:
        return TaskBestRouter()


class TestCheapest(RouterContract):
    follows_utility = False
    needs_costs = True

    def make(self) -> Router:
        return CheapestRouter()


class TestLargest(RouterContract):
    follows_utility = False
    needs_costs = True

    def make(self) -> Router:
        return LargestRouter()


class TestRandom(RouterContract):
    follows_utility = False

    def make(self) -> Router:
        return RandomRouter(seed=1)


class TestOracle(RouterContract):
    def make(self) -> Router:
        return OracleRouter()

    def fitted(self, outcomes: Outcomes) -> Router:
        return OracleRouter(outcomes=outcomes).fit(outcomes)


class TestKNN(RouterContract):
    def make(self) -> Router:
        return KNNRouter(k=20)


class TestKNNUniform(RouterContract):
    def make(self) -> Router:
        return KNNRouter(k=10, weights="uniform", prior=0.0)


class TestSVM(RouterContract):
    def make(self) -> Router:
        return SVMRouter()


class TestMLP(RouterContract):
    def make(self) -> Router:
        return MLPRouter()


class TestRidge(RouterContract):
    def make(self) -> Router:
        return RidgeRouter()


class TestCluster(RouterContract):
    def make(self) -> Router:
        return ClusterRouter(n_clusters=8)


class TestMF(RouterContract):
    def make(self) -> Router:
        return MFRouter()


class TestElo(RouterContract):
    def make(self) -> Router:
        return EloRouter()


class TestIRT(RouterContract):
    def make(self) -> Router:
        return IRTRouter()


def test_every_router_is_held_to_the_contract() -> None:
    folder = import_module("tests.routers")
    for module in iter_modules(folder.__path__, "tests.routers."):
        import_module(module.name)
    tested = {contract().make().name for contract in RouterContract.__subclasses__()}
    assert set(router_classes()) - tested == set()
