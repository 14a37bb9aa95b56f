"""Checkpoints as people really have them: what is done to a good one, and what `inspect` and a run say of it.

An outcome is `runs`, `warned: ...` (it runs, and something is told) or `refused: ...`, with a part of what is told.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.folders import CONFIG, write, write_zeros

Change = Callable[[Path], None]

_APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(80)
_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 8876\n"
_LOOP = "{% for a in range(9999) %}" * 5 + "{% endfor %}" * 5


def edit(path: Path, **changed: Any) -> None:
    """Set keys of a JSON file; None takes a key away."""
    content = {**json.loads(path.read_text(encoding="utf-8")), **changed}
    write(path, {name: value for name, value in content.items() if value is not None})


def _config(**changed: Any) -> Change:
    return lambda folder: edit(folder / "config.json", **changed)


def _text(**changed: Any) -> Change:
    return _config(text_config={**CONFIG["text_config"], **changed})


def _vision(**changed: Any) -> Change:
    return _config(vision_config={**CONFIG["vision_config"], **changed})


def _pixels(**changed: Any) -> Change:
    return lambda folder: edit(folder / "preprocessor_config.json", **changed)


def _generation(**changed: Any) -> Change:
    return lambda folder: edit(folder / "generation_config.json", **changed)


def _without(*names: str) -> Change:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def _put(name: str, content: str | bytes) -> Change:
    def change(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)  # it may be a link
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def _template(where: Callable[[Path, str], None]) -> Change:
    """The base's own template, kept in another file."""

    def change(folder: Path) -> None:
        path = folder / "chat_template.jinja"
        text = path.read_text(encoding="utf-8")
        path.unlink()
        where(folder, text)

    return change


def _sharded(named: Callable[[str], str], *, keep_whole: bool = False, **index: Any) -> Change:
    """Two shards and an index of them; `named` gives the file that the index names for a shard."""

    def change(folder: Path) -> None:
        from tasks.engines.folders.weights import read_weights

        shapes = {name: tensor.shape for name, tensor in read_weights(folder).tensors.items()}
        halves = {"model-00001-of-00002.safetensors": dict(list(shapes.items())[::2])}
        halves["model-00002-of-00002.safetensors"] = dict(list(shapes.items())[1::2])
        for shard, part in halves.items():
            write_zeros(folder / shard, part)
        weight_map = {name: named(shard) for shard, part in halves.items() for name in part}
        content = {"metadata": {"total_size": 1}, "weight_map": weight_map, **index}
        write(folder / "model.safetensors.index.json", {k: v for k, v in content.items() if v is not None})
        if not keep_whole:
            (folder / "model.safetensors").unlink()

    return change


def _weights(change_shapes: Callable[[dict[str, tuple[int, ...]]], None]) -> Change:
    def change(folder: Path) -> None:
        from tasks.engines.folders.weights import read_weights

        shapes = {name: tensor.shape for name, tensor in read_weights(folder).tensors.items()}
        change_shapes(shapes)
        (folder / "model.safetensors").unlink()
        write_zeros(folder / "model.safetensors", shapes)

    return change


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


def _both(*changes: Change) -> Change:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def _hub_cache(folder: Path) -> None:
    """As a hub's cache has it: a snapshot of links to blobs that lie elsewhere."""
    blobs = folder.parent / f"{folder.name}-blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        shutil.copyfile(path, blobs / str(number))
        path.unlink()
        os.symlink(f"../{blobs.name}/{number}", path)


def _pointing_elsewhere(folder: Path) -> None:
    os.symlink("/nowhere/model.safetensors", folder / "gone.safetensors")
    (folder / "model.safetensors").unlink()
    os.symlink("gone.safetensors", folder / "model.safetensors")


def _unlinked(folder: Path) -> None:
    return


QUANTISED = "refused: the weights are quantised"

ZOO: dict[str, tuple[Change, str]] = {
    "as it should be": (_unlinked, "runs"),
    # words
    "no generation config": (_without("generation_config.json"), "warned: generation_config.json is missing"),
    "generation config without an end": (_generation(eos_token_id=None), "runs"),
    "end as one number": (_generation(eos_token_id=151_645), "runs"),
    "end that is a word": (_generation(eos_token_id="<|im_end|>"), "refused: eos_token_id is '<|im_end|>'"),
    "no end anywhere": (
        _both(
            _generation(eos_token_id=None),
            _text(eos_token_id=None),
            lambda folder: edit(folder / "tokenizer_config.json", eos_token=None),
        ),
        "refused: no file names an eos_token_id",
    ),
    "sampling defaults": (_generation(do_sample=True, temperature=0.7, max_length=20, min_new_tokens=50), "runs"),
    "pixels in the old form": (_pixels(size=None, min_pixels=4096, max_pixels=65_536), "runs"),
    "pixels in both forms": (_pixels(min_pixels=4096, max_pixels=16_384), "runs"),
    "size as height and width": (_pixels(size={"height": 256, "width": 256}), "refused: size must give shortest_edge"),
    "size upside down": (_pixels(size={"shortest_edge": 9000, "longest_edge": 4096}), "refused: is above"),
    "patches of another size": (_pixels(patch_size=14), "refused: patch_size is 14, config.json wants 16"),
    "processor class of the fast kind": (_pixels(image_processor_type="Qwen2VLImageProcessorFast"), "runs"),
    "no processor": (_without("preprocessor_config.json"), "refused: preprocessor_config.json is missing"),
    "no video processor": (_without("video_preprocessor_config.json"), "runs"),
    "no tokenizer": (_without("tokenizer.json"), "refused: tokenizer.json is missing"),
    "tokenizer is an LFS pointer": (_put("tokenizer.json", _POINTER), "refused: is a Git LFS pointer"),
    "template as JSON": (
        _template(lambda folder, text: write(folder / "chat_template.json", {"chat_template": text})),
        "runs",
    ),
    "template in the tokenizer's config alone": (
        _template(lambda folder, text: edit(folder / "tokenizer_config.json", chat_template=text)),
        "runs",
    ),
    "template in a folder of templates": (
        _template(lambda folder, text: _put("chat_templates/default.jinja", text)(folder)),
        "runs",
    ),
    "no template": (_without("chat_template.jinja"), "refused: chat_template.jinja is missing"),
    "template with Windows line ends": (
        _template(lambda folder, text: _put("chat_template.jinja", text.replace("\n", "\r\n"))(folder)),
        "runs",
    ),
    "template with a byte order mark": (
        _template(lambda folder, text: _put("chat_template.jinja", f"\ufeff{text}")(folder)),
        "refused: begins with a byte order mark",
    ),
    "template of a model without eyes": (
        _put("chat_template.jinja", "{% for m in messages %}{{ m.role }}{% endfor %}"),
        "refused: places 0 photos in a chat with one",
    ),
    "template that fails": (
        _put("chat_template.jinja", "{{ raise_exception('roles must alternate') }}"),
        "refused: fails: TemplateError: roles must alternate",
    ),
    "template that loops": (_put("chat_template.jinja", _LOOP), "refused: does not end within"),
    "template that makes gigabytes": (_put("chat_template.jinja", "{{ 'a' * 10**10 }}"), "refused: memory"),
    "template of 40 doublings": (
        _put("chat_template.jinja", "{% set x = namespace(t='aaaa') %}" + "{% set x.t = x.t ~ x.t %}" * 40),
        "refused: memory",
    ),
    # kinds
    "fp8": (_config(quantization_config={"quant_method": "fp8", "fmt": "e4m3"}), f"{QUANTISED} (fp8)"),
    "awq": (_config(quantization_config={"quant_method": "awq", "bits": 4}), f"{QUANTISED} (awq, 4 bits)"),
    "compressed-tensors": (
        _config(quantization_config={"quant_method": "compressed-tensors", "format": "pack-quantized"}),
        f"{QUANTISED} (compressed-tensors)",
    ),
    "gptq beside the config": (_put("quantize_config.json", '{"bits": 4, "group_size": 128}'), QUANTISED),
    "scales and no word of it": (
        _weights(lambda shapes: shapes.update({"model.visual.blocks.0.attn.qkv.weight_scale": (96, 1)})),
        QUANTISED,
    ),
    "mixture of experts": (_config(model_type="qwen3_vl_moe"), "refused: 'qwen3_vl_moe' (Qwen3-VL MoE)"),
    "Qwen2.5-VL": (_config(model_type="qwen2_5_vl"), "refused: 'qwen2_5_vl' (Qwen2.5-VL)"),
    "Qwen3.5": (_config(model_type="qwen3_5"), "refused: 'qwen3_5' (Qwen3.5)"),
    "llava": (_config(model_type="llava"), "refused: 'llava' (LLaVA)"),
    "a kind that nobody knows": (_config(model_type="mine"), "refused: model_type is 'mine'"),
    "no kind": (_config(model_type=None), "refused: model_type is None"),
    # code
    "code in its config": (_config(auto_map={"AutoModel": "evil.Model"}), "refused: names code of its own (auto_map)"),
    "code deep in its config": (
        _vision(auto_map={"AutoModel": "evil.Model"}),
        "refused: names code of its own (auto_map)",
    ),
    "code in its processor": (
        _put("processor_config.json", '{"image_processor": {"auto_map": {"AutoImageProcessor": "evil.P"}}}'),
        "refused: names code of its own (auto_map)",
    ),
    "code that generates": (_put("custom_generate/generate.py", "1 / 0"), "refused: custom_generate holds code"),
    "weights named elsewhere": (
        _config(transformers_weights="../other/model.safetensors"),
        "refused: names what lies elsewhere (transformers_weights)",
    ),
    # weights
    "two shards": (_sharded(lambda shard: shard), "runs"),
    "a hub's cache": (_hub_cache, "runs"),
    "index without metadata": (_sharded(lambda shard: shard, metadata=None), "refused: holds no metadata"),
    "index that leaves the folder": (_sharded(lambda shard: f"../{shard}"), "refused: no *.safetensors of this folder"),
    "index with whole paths": (_sharded(lambda shard: f"/data/{shard}"), "refused: no *.safetensors of this folder"),
    "a shard that did not come": (
        _both(_sharded(lambda shard: shard), _without("model-00002-of-00002.safetensors")),
        "refused: names model-00002-of-00002.safetensors, which is not there",
    ),
    "both whole and sharded": (_sharded(lambda shard: shard, keep_whole=True), "refused: there are both"),
    "a shard that nobody names": (_put("model-00001-of-00002.safetensors", b"rest of a download"), "runs"),
    "pickle beside": (_put("pytorch_model.bin", b"pickle"), "warned: pytorch_model.bin: such weights are pickles"),
    "pickle alone": (
        _both(_without("model.safetensors"), _put("pytorch_model.bin", b"pickle")),
        "refused: there is no model.safetensors, only pytorch_model.bin",
    ),
    "pickle behind a dummy": (
        _both(
            _without("model.safetensors"),
            _put("pytorch_model.bin", b"pickle"),
            lambda folder: write_zeros(folder / "dummy.safetensors", {"a": (1,)}),
        ),
        "refused: there is no model.safetensors, only dummy.safetensors, pytorch_model.bin",
    ),
    "no weights": (_without("model.safetensors"), "refused: there is no model.safetensors"),
    "links that lead nowhere": (_pointing_elsewhere, "refused: there is no model.safetensors"),
    "weights are an LFS pointer": (_put("model.safetensors", _POINTER), "refused: is a Git LFS pointer"),
    "half of a download": (_cut, "refused: copy it again"),
    "rest of a download": (_put("model.safetensors.incomplete", b"x"), "warned: left by a download"),
    "a header of gigabytes": (
        _put("model.safetensors", (2**33).to_bytes(8, "little") + b"{}"),
        "refused: is cut off, or no safetensors file",
    ),
    "a layer missing": (
        _weights(lambda shapes: [shapes.pop(name) for name in list(shapes) if ".layers.1." in name] and None),
        "refused: model.language_model.layers.1.self_attn.q_proj.weight is not there",
    ),
    "fewer layers than weights": (_text(num_hidden_layers=1), "refused: config.json has no place for"),
    "200,000 layers": (_text(num_hidden_layers=200_000), "refused: layers.2.self_attn.q_proj.weight is not there"),
    "layers as a word": (_text(num_hidden_layers="all"), "refused: text_config.num_hidden_layers is 'all'"),
    "another width": (_text(hidden_size=64), "refused: config.json wants [151936, 64]"),
    "tied in its text part alone": (_config(tie_word_embeddings=False), "refused: tie_word_embeddings is not true"),
    # files
    "config with a byte order mark": (
        lambda folder: _put("config.json", b"\xef\xbb\xbf" + (folder / "config.json").read_bytes())(folder),
        "refused: begins with a byte order mark",
    ),
    "config 100,000 deep": (_put("config.json", '{"a":' * 100_000 + "1" + "}" * 100_000), "refused: config.json"),
    "config 500 deep": (_config(a=json.loads("[" * 500 + "]" * 500)), "refused: nested more than 64 deep"),
    "config of megabytes": (_config(note="x" * 5_000_000), "refused: at most 4194304 are read"),
    "Mac's own files": (
        _both(_put("._model.safetensors", _APPLE_DOUBLE), _put("._config.json", _APPLE_DOUBLE)),
        "runs",
    ),
    "a hub's own files": (
        _both(
            _put("configuration.json", '{"task": "image-text-to-text"}'), _put("._____temp/x", ""), _put(".mdl", "x")
        ),
        "runs",
    ),
}
