"""LoRA over the lean network, and its files: PEFT folder and GGUF."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from .export import ATTENTION
from .network import Shape, Starter
from .world import RELATIONS

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
BASE_NAME = "strata-starter"


class LoraLinear(nn.Module):
    """A frozen linear [d_out, d_in] plus scale * B A, with A [rank, d_in] and B [d_out, rank]."""

    def __init__(self, base: nn.Linear, rank: int, alpha: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(base.weight.detach(), requires_grad=False)
        self.lora_a = nn.Parameter(torch.randn(rank, base.in_features) * base.in_features**-0.5)
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        """x [..., d_in] -> [..., d_out]."""
        return functional.linear(x, self.weight + self.scale * (self.lora_b @ self.lora_a))


def module_path(layer: int, linear: str) -> str:
    """The path of a linear in transformers' Llama."""
    return f"model.layers.{layer}.{'self_attn' if linear in ATTENTION else 'mlp'}.{linear}"


def load_base(folder: Path) -> Starter:
    """The lean network with the weights of an exported model; its probes are new."""
    config = LlamaConfig.from_pretrained(folder)
    shape = Shape(
        vocabulary=config.vocab_size, width=config.hidden_size, layers=config.num_hidden_layers,
        heads=config.num_attention_heads, kv_heads=config.num_key_value_heads or config.num_attention_heads,
        hidden=config.intermediate_size, positions=config.max_position_embeddings,
    )  # fmt: skip
    model = Starter(shape, len(RELATIONS))
    weights = {
        name.removeprefix("model.").replace("self_attn.", "").replace("mlp.", ""): tensor.float()
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    model.load_state_dict(weights, strict=False)
    return model


def add_lora(model: Starter, rank: int, alpha: int) -> list[nn.Parameter]:
    """Freeze the network, put a LoRA on every linear, return what is to be trained."""
    model.requires_grad_(False)
    for block in model.layers:
        for linear in LINEARS:
            setattr(block, linear, LoraLinear(getattr(block, linear), rank, alpha))
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def save_lora(model: Starter, rank: int, alpha: int, base: Path, folder: Path) -> None:
    """Write a PEFT folder in float16 and, beside it, the same adapter as GGUF."""
    from engine.levels.gguf_io import write_gguf_adapter
    from engine.levels.hf_modules import describe_base, find_linears
    from engine.levels.peft_io import read_adapter

    tensors: dict[str, Tensor] = {}
    for index, block in enumerate(model.layers):
        for linear in LINEARS:
            path = f"base_model.model.{module_path(index, linear)}"
            lora: LoraLinear = getattr(block, linear)
            tensors[f"{path}.lora_A.weight"] = lora.lora_a.detach().cpu().half().contiguous()
            tensors[f"{path}.lora_B.weight"] = lora.lora_b.detach().cpu().half().contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "adapter_model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)
    config = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=list(LINEARS), task_type="CAUSAL_LM", inference_mode=True
    )
    config.base_model_name_or_path = BASE_NAME
    config.save_pretrained(str(folder))
    llama = LlamaForCausalLM(LlamaConfig.from_pretrained(base))
    modules = describe_base(llama.config, find_linears(llama))
    write_gguf_adapter(read_adapter(folder, modules), modules, folder.with_suffix(".gguf"))
