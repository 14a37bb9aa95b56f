"""Tests of holding an adapter's weights against the places that PEFT makes for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tasks.engines.folders.fit import misfits, unknown_keys
from tests.folders import make_small
from tests.tasks.checkpoints.adapter_zoo import make_lora
from tests.tasks.checkpoints.checkpoint_zoo import edit


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small(tmp_path_factory.mktemp("fit") / "base")


def test_it_fits_the_base_that_it_was_made_for_and_no_other(base: Path, tmp_path: Path) -> None:
    lora = make_lora(tmp_path / "lora", base)
    assert misfits(base, lora) == []
    deeper = make_small(tmp_path / "deeper", num_hidden_layers=3)
    (lost,) = misfits(deeper, lora)
    assert lost[0] == "adapter_model.safetensors"
    assert lost[1].startswith("14 of 42 weights that adapter_config.json asks for are missing, such as ")
    wider = make_small(tmp_path / "wider", intermediate_size=128)
    ((_, told),) = misfits(wider, lora)
    assert "mlp.down_proj.lora_A.weight is [4, 64], and the base wants [4, 128]" in told
    assert told.endswith("3 more")


def test_how_an_adapter_begins_is_nothing_to_a_shell(base: Path, tmp_path: Path) -> None:
    """PiSSA takes a base apart when it begins, which a model without weights cannot do."""
    lora = make_lora(tmp_path / "lora", base)
    edit(lora / "adapter_config.json", init_lora_weights="pissa")
    assert misfits(base, lora) == []


def test_a_weight_of_the_base_itself_may_lie_beside(base: Path, tmp_path: Path) -> None:
    """PEFT saves an embedding that it changed, under the name that it has in the model."""
    lora = make_lora(tmp_path / "lora", base, target_modules=["embed_tokens"])
    path = lora / "adapter_model.safetensors"
    weights = load_file(path)
    path.unlink()
    own = "base_model.model.model.language_model.embed_tokens.base_layer.weight"
    save_file({**weights, own: next(iter(weights.values())).clone()}, path)
    assert misfits(base, lora) == []


def test_keys_that_peft_ignores_are_named(base: Path, tmp_path: Path) -> None:
    lora = make_lora(tmp_path / "lora", base)
    assert unknown_keys(lora) == []
    edit(lora / "adapter_config.json", later={"a": 1}, much_later=False)
    assert unknown_keys(lora) == ["later"]
