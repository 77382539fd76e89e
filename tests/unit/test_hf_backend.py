"""The torch backend: decoding, the KV cache under live edits, stopping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from engine.cancel import CancelToken
from engine.errors import BadInput, JobCancelled
from engine.levels.peft_io import read_adapter
from engine.levels.stack import LevelStack
from engine.models.base import TokenStep
from engine.models.hf import HfBackend
from engine.protocol import LoadSettings, Message, Sampling
from tests.unit.tiny_hf import DATA, save_adapter, save_model

GREEDY = Sampling(temperature=0.0)
PROMPT = list(range(40, 80))


def load(folder: Path, **settings: object) -> HfBackend:
    return HfBackend.load(folder, LoadSettings(device="cpu", **settings), lambda *_: None, CancelToken())


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def adapter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter("llama", tmp_path_factory.mktemp("adapter") / "loud", 5, r=4, lora_alpha=8)


@pytest.fixture
def backend(model_folder: Path) -> Iterator[HfBackend]:
    loaded = load(model_folder)
    loaded._chunk = 16
    yield loaded
    loaded.close()


@pytest.fixture
def stack(backend: HfBackend, adapter_folder: Path) -> LevelStack:
    laid = LevelStack(backend.model)
    laid.set_level("domain", read_adapter(adapter_folder, laid.base_modules()))
    return laid


def answer(
    backend: HfBackend, stack: LevelStack, prompt: list[int], n: int, sampling: Sampling = GREEDY
) -> list[TokenStep]:
    """Prefill and decode ``n`` tokens."""
    token = CancelToken()
    backend.prefill(prompt, stack, token)
    steps = []
    for step in backend.decode(sampling, stack, token):
        steps.append(step)
        if len(steps) == n:
            break
    return steps


def gain(value: float) -> list[float]:
    return [1.0, value, 1.0, 1.0, 1.0]


def reference_logprobs(backend: HfBackend, tokens: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return backend.model(torch.tensor([tokens])).logits[0, -1].log_softmax(-1)


def test_greedy_decoding_equals_generate(backend: HfBackend, stack: LevelStack) -> None:
    ours = [step.token_id for step in answer(backend, stack, PROMPT, 24)]
    theirs = backend.model.generate(
        torch.tensor([PROMPT]),
        attention_mask=torch.ones(1, len(PROMPT), dtype=torch.long),
        do_sample=False,
        max_new_tokens=24,
        pad_token_id=0,
    )
    assert ours == theirs[0, len(PROMPT) :].tolist()


def test_a_step_tells_the_raw_logprob_and_the_five_likeliest(backend: HfBackend, stack: LevelStack) -> None:
    step = answer(backend, stack, PROMPT, 1, Sampling(temperature=1.7, top_k=0, seed=3))[0]
    logprobs = reference_logprobs(backend, PROMPT)
    assert step.logprob == pytest.approx(logprobs[step.token_id].item(), abs=1e-4)
    best, ids = logprobs.topk(5)
    assert [token for token, _ in step.alternatives] == ids.tolist()
    assert [value for _, value in step.alternatives] == pytest.approx(best.tolist(), abs=1e-4)
    assert step.activity is not None
    assert step.activity.shape == (5, 3)
    assert step.activity[1].min() > 0.01


def test_a_prefix_is_reused_and_changes_nothing(backend: HfBackend, stack: LevelStack) -> None:
    first = [step.token_id for step in answer(backend, stack, PROMPT, 6)]
    longer = PROMPT + first + [50, 51, 52]
    state = backend.prefill(longer, stack, CancelToken())
    assert state.reused_tokens == len(PROMPT) + 5  # the sixth token was never read
    reused = answer(backend, stack, longer, 4)
    backend._cache.clear()
    fresh = answer(backend, stack, longer, 4)
    assert [s.token_id for s in reused] == [s.token_id for s in fresh]
    assert [s.logprob for s in reused] == pytest.approx([s.logprob for s in fresh], abs=1e-5)


def test_the_same_prompt_again_evaluates_its_last_token(backend: HfBackend, stack: LevelStack) -> None:
    answer(backend, stack, PROMPT, 3)
    assert backend.prefill(PROMPT, stack, CancelToken()).reused_tokens == len(PROMPT) - 1


def test_a_gain_edit_between_turns_recomputes_the_prefix(backend: HfBackend, stack: LevelStack) -> None:
    answer(backend, stack, PROMPT, 3)
    stack.set_gains(gain(-1.0))
    state = backend.prefill([*PROMPT, 60], stack, CancelToken())
    assert state.reused_tokens == 0
    step = next(backend.decode(GREEDY, stack, CancelToken()))
    expected = reference_logprobs(backend, [*PROMPT, 60])
    assert step.logprob == pytest.approx(expected.max().item(), abs=1e-4)


def test_an_edit_in_mid_answer_reaches_the_very_next_token(backend: HfBackend, stack: LevelStack) -> None:
    backend.prefill(PROMPT, stack, CancelToken())
    steps = backend.decode(GREEDY, stack, CancelToken())
    first, second = next(steps), next(steps)
    stack.set_gains(gain(-2.0))
    third = next(steps)
    assert (first.revision, second.revision, third.revision) == (1, 1, 2)
    with torch.no_grad():  # the same schedule by hand: the old keys and values stay, the new token feels it
        stack.set_gains(gain(1.0))
        cache = backend.model(torch.tensor([[*PROMPT, first.token_id]]), use_cache=True).past_key_values
        stack.set_gains(gain(-2.0))
        mixed = backend.model(torch.tensor([[second.token_id]]), past_key_values=cache).logits[0, -1]
    assert third.token_id == mixed.argmax().item()
    assert third.logprob == pytest.approx(mixed.log_softmax(-1).max().item(), abs=1e-4)


def test_tokens_read_before_an_edit_in_mid_answer_are_not_reused(
    backend: HfBackend, stack: LevelStack
) -> None:
    backend.prefill(PROMPT, stack, CancelToken())
    steps = backend.decode(GREEDY, stack, CancelToken())
    spoken = [next(steps).token_id, next(steps).token_id]
    stack.set_gains(gain(0.5))
    spoken += [next(steps).token_id, next(steps).token_id]
    prompt = [*PROMPT, *spoken, 44]
    assert backend.prefill(prompt, stack, CancelToken()).reused_tokens == 0
    step = next(backend.decode(GREEDY, stack, CancelToken()))
    assert step.logprob == pytest.approx(reference_logprobs(backend, prompt).max().item(), abs=1e-4)


def test_going_back_to_the_old_gains_does_not_bring_a_mixed_cache_back(
    backend: HfBackend, stack: LevelStack
) -> None:
    answer(backend, stack, PROMPT, 2)
    stack.set_gains(gain(0.0))
    stack.set_gains(gain(1.0))
    assert backend.prefill(PROMPT, stack, CancelToken()).reused_tokens == 0


def test_an_edit_after_prefill_reaches_the_first_token(backend: HfBackend, stack: LevelStack) -> None:
    backend.prefill(PROMPT, stack, CancelToken())
    stack.set_gains(gain(-2.0))
    step = next(backend.decode(GREEDY, stack, CancelToken()))
    assert step.revision == stack.revision
    assert len(backend._cache) == len(PROMPT)


def test_a_stop_within_a_chunk_leaves_a_cache_that_can_be_used(backend: HfBackend, stack: LevelStack) -> None:
    token = CancelToken()
    calls = []

    def stop_in_second_chunk(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            token.set()

    hook = backend.model.model.layers[1].register_forward_pre_hook(stop_in_second_chunk)
    with pytest.raises(JobCancelled):
        backend.prefill(PROMPT, stack, token)
    hook.remove()
    assert len(backend._cache) == 16
    state = backend.prefill(PROMPT, stack, CancelToken())
    assert state.reused_tokens == 16
    step = next(backend.decode(GREEDY, stack, CancelToken()))
    assert step.logprob == pytest.approx(reference_logprobs(backend, PROMPT).max().item(), abs=1e-4)


def test_a_stop_is_seen_between_tokens(backend: HfBackend, stack: LevelStack) -> None:
    token = CancelToken()
    backend.prefill(PROMPT, stack, token)
    steps = backend.decode(GREEDY, stack, token)
    next(steps)
    token.set()
    with pytest.raises(JobCancelled):
        next(steps)


def test_an_answer_ends_where_the_context_is_full(model_folder: Path) -> None:
    backend = load(model_folder, n_ctx=48)
    stack = LevelStack(backend.model)
    assert len(answer(backend, stack, PROMPT, 100)) == 48 - len(PROMPT) + 1
    with pytest.raises(BadInput, match="the context holds 48"):
        backend.prefill(list(range(49)), stack, CancelToken())


def test_an_end_token_ends_the_answer_unseen(backend: HfBackend, stack: LevelStack) -> None:
    spoken = [step.token_id for step in answer(backend, stack, PROMPT, 8)]
    last = next(i for i, token in enumerate(spoken) if token not in spoken[:i] and i > 1)
    backend._end_tokens = frozenset({spoken[last]})
    assert [step.token_id for step in answer(backend, stack, PROMPT, 8)] == spoken[:last]


def test_the_same_seed_gives_the_same_answer(backend: HfBackend, stack: LevelStack) -> None:
    def run(seed: int) -> list[int]:
        sampling = Sampling(temperature=1.5, top_k=0, top_p=1.0, seed=seed)
        return [step.token_id for step in answer(backend, stack, PROMPT, 12, sampling)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_kv_bytes_count_keys_and_values(backend: HfBackend, stack: LevelStack) -> None:
    backend.prefill(PROMPT, stack, CancelToken())
    assert backend.kv_bytes() == 3 * 2 * len(PROMPT) * 16 * 4


def test_decoding_without_a_prompt_is_refused(backend: HfBackend, stack: LevelStack) -> None:
    with pytest.raises(BadInput):
        next(backend.decode(GREEDY, stack, CancelToken()))
    with pytest.raises(BadInput):
        backend.prefill([], stack, CancelToken())


def test_a_window_that_has_slid_is_read_anew(tmp_path: Path) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    from tests.unit.tiny_hf import save_tokenizer

    torch.manual_seed(0)
    config = MistralConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=320,
        max_position_embeddings=128,
        sliding_window=24,
    )
    MistralForCausalLM(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    backend = load(tmp_path)
    backend._chunk = 16
    stack = LevelStack(backend.model)
    answer(backend, stack, PROMPT, 4)
    assert backend.prefill([*PROMPT[:30], 9], stack, CancelToken()).reused_tokens == 0
    step = next(backend.decode(GREEDY, stack, CancelToken()))
    expected = reference_logprobs(backend, [*PROMPT[:30], 9])
    assert step.logprob == pytest.approx(expected.max().item(), abs=1e-4)


@pytest.mark.skipif(not DATA.exists(), reason="the shared data is not beside the repository")
def test_the_story_model_tells_its_story() -> None:
    backend = load(DATA / "models" / "stories260k" / "hf")
    prompt = backend.render_chat([Message(role="user", content="Once upon a time, there was")])
    steps = answer(backend, LevelStack(backend.model), prompt, 60)
    text = b"".join(backend.token_bytes(step.token_id) for step in steps).decode()
    assert text.startswith(" a little girl named Lily. She loved to play outside in the park.")
