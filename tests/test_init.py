"""The public names: they all exist and are listed."""

import importlib

import pytest

import mlteach as mt


def test_every_public_name_exists_and_is_listed():
    assert len(set(mt.__all__)) == len(mt.__all__)
    for name in mt.__all__:
        assert getattr(mt, name) is not None
        assert name in dir(mt)


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'fit_everything'"):
        _ = mt.fit_everything


@pytest.mark.parametrize("wing", ["diagrams", "published", "widgets"])
def test_wings_offer_what_their_stubs_name(wing: str) -> None:
    module = importlib.import_module(f"mlteach.{wing}")
    assert len(module.__all__) > 5
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing
