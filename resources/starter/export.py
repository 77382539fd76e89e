"""Write a checkpoint as a transformers model and as GGUF: `python -m resources.starter.export`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from .network import Shape, Starter
from .tokenizer import save_tokenizer
from .train import CHECKPOINTS, HERE
from .world import RELATIONS

ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}


def load_starter(path: Path) -> Starter:
    """The network of a checkpoint, in float32."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    model = Starter(Shape(**saved["shape"]), len(RELATIONS))
    model.load_state_dict(saved["model"])
    return model.eval()


def llama_config(shape: Shape, tokenizer: Tokenizer) -> LlamaConfig:
    """The same sizes in the words of transformers."""
    return LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.width, intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads, head_dim=shape.head_width,
        max_position_embeddings=shape.positions, rms_norm_eps=shape.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=True, pad_token_id=tokenizer.token_to_id("<|pad|>"),
        bos_token_id=tokenizer.token_to_id("<|bos|>"), eos_token_id=tokenizer.token_to_id("<|end|>"),
    )  # fmt: skip


def llama_names(model: Starter) -> dict[str, Tensor]:
    """The weights under the names of transformers, probes left out."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if "probe" in name:
            continue
        if parts[-2] in ATTENTION:
            parts.insert(2, "self_attn")
        elif parts[-2].endswith("_proj"):
            parts.insert(2, "mlp")
        renamed["model." + ".".join(parts)] = tensor
    return renamed


def export(checkpoint: Path, tokenizer_file: Path, out: Path, dtype: torch.dtype) -> None:
    """Write model, tokenizer and configurations; fails when the logits differ."""
    model = load_starter(checkpoint)
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    llama = LlamaForCausalLM(llama_config(model.shape, tokenizer)).eval()
    missing, unexpected = llama.load_state_dict(llama_names(model), strict=False)
    if set(missing) - {"lm_head.weight"} or unexpected:
        raise ValueError(f"weights do not fit: {missing} {unexpected}")
    llama.tie_weights()
    probe = torch.randint(0, model.shape.vocabulary, (2, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        difference = (llama(probe).logits - model.logits(probe)).abs().max().item()
    if difference > 1e-3:
        raise ValueError(f"the exported model differs by {difference}")
    print(f"largest difference of a logit: {difference:.2e}")
    ids = {key: getattr(llama.config, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    llama.generation_config = GenerationConfig(do_sample=False, max_new_tokens=64, **ids)
    llama.to(dtype).save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)
    save_tokenizer(tokenizer, out)


def export_ggufs(folder: Path, out: Path) -> None:
    """The exported model as float16 and q8_0 GGUF, by the workbench's own writer."""
    from engine.models.gguf_export import Dtype, export_gguf

    out.mkdir(parents=True, exist_ok=True)
    dtypes: tuple[Dtype, ...] = ("f16", "q8_0")
    for dtype in dtypes:
        export_gguf(folder, out / f"starter-{dtype}.gguf", dtype, "Strata starter")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINTS / "last.pt")
    parser.add_argument("--tokenizer", type=Path, default=CHECKPOINTS / "tokenizer.json")
    parser.add_argument("--out", type=Path, default=HERE / "hf")
    parser.add_argument("--gguf", type=Path, default=HERE / "gguf")
    args = parser.parse_args()
    export(args.checkpoint, args.tokenizer, args.out, torch.float16)
    export_ggufs(args.out, args.gguf)


if __name__ == "__main__":
    main()
