import pytest

from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ConfigError
from fusion_agents.routers.catalogue import hyper_parameters, make_router, router_classes
from fusion_agents.routers.knn import KNNRouter


def test_a_routers_name_is_that_of_its_module() -> None:
    for name, cls in router_classes().items():
        assert cls.name == name
        assert cls.__module__.endswith("." + name.replace("-", "_"))


def test_options_are_read_as_what_their_defaults_are() -> None:
    router = make_router("knn:k=20,prior=2.5,weights=uniform", seed=3)
    assert router == KNNRouter(k=20, prior=2.5, weights="uniform", seed=3)


def test_a_seed_in_the_spec_comes_first() -> None:
    assert make_router("random:seed=7", seed=3).seed == 7


def test_an_encoder_is_handed_on() -> None:
    encoder = LexicalEncoder(n_components=7)
    assert make_router("ridge", encoder=encoder).encoder is encoder


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("crystal-ball", "unknown router 'crystal-ball': use one of auto"),
        ("knn:neighbours=5", "no option 'neighbours': known: .*k"),
        ("knn:k", "no option 'k'"),
        ("knn:k=many", "k='many' of router 'knn' is no int"),
    ],
)
def test_what_cannot_be_read_is_refused(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_router(spec)


def test_the_encoder_is_no_hyper_parameter() -> None:
    assert hyper_parameters(KNNRouter) == {
        "seed": 0,
        "k": 100,
        "weights": "similarity",
        "prior": 10.0,
    }
