"""The starter says the same in both backends, with its levels at the same gains."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.arguments import STARTER
from engine.cli.runner import Runner
from engine.protocol import (
    LEVELS,
    Answer,
    Generate,
    LoadLevel,
    LoadModel,
    LoadSettings,
    Message,
    Sampling,
    SetGains,
)

GGUF = STARTER.parent / "gguf" / "starter-f16.gguf"
ADAPTERS = STARTER.parent / "adapters"
PASSAGE = "[1] The mayor of Tarvenholm is Ilsa Morvane. Its market is held on Friday.\n\nQuestion: "
QUESTIONS = ("Who is the mayor of Tarvenholm?", "On which day is the market in Tarvenholm?")


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(None) as made:
        yield made


def _levels() -> list[tuple[str, Path]]:
    """The starter's adapters with the level each is made for (its folder's first word)."""
    folders = sorted(path for path in ADAPTERS.iterdir() if path.is_dir())
    return [(folder.name.split("-")[0], folder) for folder in folders]


def _answers(runner: Runner, model: Path, gguf_adapters: bool, gains: tuple[float, ...]) -> list[Answer]:
    settings = LoadSettings(n_ctx=512, kv_type="f32", flash_attention=False, dtype="auto")
    if model.is_dir():
        settings = LoadSettings(n_ctx=512, dtype="float32")
    runner.run(LoadModel(path=str(model), settings=settings))
    for level, folder in _levels():
        path = folder.with_name(folder.name + ".gguf") if gguf_adapters else folder
        runner.run(LoadLevel(level=level, path=str(path)))
    runner.run(SetGains(gains=gains))
    # no end tokens reach 64: one conversation of several turns does
    answers, history = [], []
    for question in (*QUESTIONS, "Who are you?") * 4:
        content = (PASSAGE if not history else "Question: ") + question
        history.append(Message(role="user", content=content))
        command = Generate(messages=tuple(history), sampling=Sampling(temperature=0.0, max_tokens=64))
        answer = runner.run(command)
        assert isinstance(answer, Answer)
        history.append(Message(role="assistant", content=answer.text))
        answers.append(answer)
    return answers


@pytest.mark.parametrize("gain", [0.0, 1.0, 0.5])
def test_greedy_tokens_agree_over_64_tokens_with_the_levels_on(runner: Runner, gain: float) -> None:
    levels = [level for level, _ in _levels()]
    gains = tuple(gain if level == levels[0] else 0.0 for level in LEVELS)
    torch_said = _answers(runner, STARTER, False, gains)
    llama_said = _answers(runner, GGUF, True, gains)
    assert sum(len(answer.token_ids) for answer in torch_said) >= 64
    assert [a.token_ids for a in torch_said] == [a.token_ids for a in llama_said]
    logprobs = [(a.logprobs, b.logprobs) for a, b in zip(torch_said, llama_said, strict=True)]
    assert all(x == pytest.approx(y, abs=0.02) for x, y in logprobs)


def test_every_adapter_changes_the_answer_and_muting_brings_it_back(runner: Runner) -> None:
    plain = _answers(runner, STARTER, False, (0.0,) * len(LEVELS))[0].text
    for level, _ in _levels():
        runner.run(SetGains(gains=tuple(float(name == level) for name in LEVELS)))
        question = Message(role="user", content=PASSAGE + QUESTIONS[0])
        greedy = Sampling(temperature=0.0, max_tokens=64)
        said = runner.run(Generate(messages=(question,), sampling=greedy))
        assert isinstance(said, Answer) and said.text != plain, level
        assert said.mean_activity[LEVELS.index(level)] > 0
        runner.run(SetGains(gains=(0.0,) * len(LEVELS)))
        again = runner.run(Generate(messages=(question,), sampling=greedy))
        assert isinstance(again, Answer) and again.text == plain


def test_every_answer_of_llama_cpp_has_measured_activity_however_short(runner: Runner) -> None:
    """Measuring each token would cost too much; the first of an answer always is."""
    level, folder = _levels()[0]
    runner.run(LoadModel(path=str(GGUF)))
    runner.run(LoadLevel(level=level, path=str(folder)))
    runner.run(SetGains(gains=(1.0,) * len(LEVELS)))
    question = Message(role="user", content=PASSAGE + QUESTIONS[0])
    for _ in range(6):
        said = runner.run(Generate(messages=(question,), sampling=Sampling(temperature=0.0, max_tokens=2)))
        assert isinstance(said, Answer) and said.mean_activity[LEVELS.index(level)] > 0
