"""Loading models: plan, load, refuse, stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.context import AppContext
from app.levels import LevelsController
from app.model_loader import ModelLoader, model_name
from engine import protocol as p
from tests.app.scripted import MODEL, ScriptedEngine


@pytest.fixture
def loader(context: AppContext) -> ModelLoader:
    return ModelLoader(context, LevelsController(context))


def settle(context: AppContext) -> None:
    """Deliver events, and those of the commands that they lead to."""
    for _ in range(4):
        context.client.drain()


def too_big(command: p.PlanModel) -> list[p.Event]:
    plan = p.Plan(
        path=command.path, n_ctx=8192, parts=(p.PlanPart(owner="base weights", bytes=9_000_000_000),),
        total_bytes=9_000_000_000, free_bytes=4_000_000_000, device="cpu", fits=False,
        verdict="It needs 9 GB, 4 GB are free.", proposals=("Take 2,048 tokens of context.",),
    )  # fmt: skip
    return [p.Finished(job=command.job, result=plan)]


def test_a_model_that_fits_is_loaded_and_remembered(
    context: AppContext, engine: ScriptedEngine, loader: ModelLoader
) -> None:
    loader.load("/models/tiny", p.LoadSettings(n_ctx=512))
    settle(context)
    assert loader.model == MODEL
    assert context.session.value.model_path == "/models/tiny"
    assert context.session.value.load_settings.n_ctx == 512
    assert engine.sent(p.LoadModel)[0].force is False


def test_a_model_that_does_not_fit_is_offered_and_loaded_only_when_asked(
    context: AppContext, engine: ScriptedEngine, loader: ModelLoader
) -> None:
    engine.answer(p.PlanModel, too_big)
    loader.load("/models/huge")
    settle(context)
    assert engine.sent(p.LoadModel) == []
    notice = context.notices.items[0]
    assert (notice.text, notice.hint) == ("It needs 9 GB, 4 GB are free.", "Take 2,048 tokens of context.")
    notice.actions[0][1]()
    settle(context)
    assert engine.sent(p.LoadModel)[0].force is True
    assert loader.model == MODEL


def test_the_plan_counts_the_adapters(
    context: AppContext, engine: ScriptedEngine, loader: ModelLoader
) -> None:
    session = context.session.value
    context.session.set(session.with_level(replace(session.level("domain"), adapter_path="/a")))
    loader.load("/models/tiny")
    assert engine.sent(p.PlanModel)[0].level_paths == ("/a",)


def test_progress_is_shown_and_stopping_ends_it(
    context: AppContext, engine: ScriptedEngine, loader: ModelLoader
) -> None:
    engine.hold(p.LoadModel)
    loader.load("/models/tiny")
    settle(context)
    job = engine.sent(p.LoadModel)[0].job
    engine.emit(p.Progress(job=job, stage="reading weights", fraction=0.5))
    settle(context)
    assert (loader.loading, loader.stage, loader.fraction) == ("/models/tiny", "reading weights", 0.5)
    loader.cancel()
    settle(context)
    assert engine.cancelled == [job]
    assert (loader.loading, loader.model, context.notices.items) == ("", None, ())


def test_another_model_in_the_middle_of_a_load_stops_the_first(
    context: AppContext, engine: ScriptedEngine, loader: ModelLoader
) -> None:
    engine.hold(p.LoadModel)
    loader.load("/models/first")
    settle(context)
    loader.load("/models/second")
    settle(context)
    assert [c.path for c in engine.sent(p.LoadModel)] == ["/models/first", "/models/second"]
    assert engine.cancelled == [engine.sent(p.LoadModel)[0].job]
    engine.finish(engine.sent(p.LoadModel)[1].job, MODEL)
    settle(context)
    assert context.session.value.model_path == "/models/second"


def test_stopping_while_the_plan_is_made_loads_nothing(
    context: AppContext, engine: ScriptedEngine, loader: ModelLoader
) -> None:
    engine.hold(p.PlanModel)
    loader.load("/models/tiny")
    loader.cancel()
    settle(context)
    assert engine.sent(p.LoadModel) == []
    assert loader.loading == ""


def test_a_failed_load_says_why_and_knows_that_the_old_model_is_gone(
    context: AppContext, engine: ScriptedEngine, loader: ModelLoader
) -> None:
    loader.load("/models/tiny")
    settle(context)
    engine.answer(
        p.LoadModel,
        lambda c: [
            p.LevelsChanged(job=c.job, levels=(), revision=0),
            p.Failed(job=c.job, error=p.ErrorInfo(text="The file is truncated.")),
        ],
    )
    loader.load("/models/broken")
    settle(context)
    assert loader.model is None
    assert [item.text for item in context.notices.items] == ["The file is truncated."]


def test_a_folder_to_look_in_is_remembered(
    context: AppContext, engine: ScriptedEngine, loader: ModelLoader
) -> None:
    loader.add_folder("/more")
    assert context.session.value.model_folders == ("/more",)
    assert engine.sent(p.ScanModels)[0].folders == ("/more",)


def test_a_model_is_called_by_its_folder_or_file() -> None:
    assert model_name("/m/Qwen2.5-7B") == "Qwen2.5-7B"
    assert model_name(str(Path("/m/Qwen2.5-7B.Q4_K_M.gguf"))) == "Qwen2.5-7B.Q4_K_M"
