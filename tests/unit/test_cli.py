"""The command line on the bundled starter: one JSON object, honest exit codes, errors in words."""

import json
from pathlib import Path

import pytest

from engine.cli import main
from engine.cli.arguments import STARTER, LevelArgument, parse_level
from engine.errors import BadInput
from engine.protocol import LEVELS

GGUF = STARTER.parent / "gguf" / "starter-f16.gguf"


def _json(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> dict:
    assert main([*argv, "--json"]) == code
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


@pytest.mark.parametrize("model", [STARTER, GGUF], ids=["hf", "gguf"])
def test_chat_gives_text_tokens_probabilities_activity_and_times(model, capsys) -> None:
    out = _json(
        capsys, "chat", "--model", str(model), "--prompt", "Hello", "--temperature", "0", "--max-tokens", "8"
    )
    assert out["text"] and len(out["token_ids"]) == len(out["logprobs"]) > 0
    assert all(logprob <= 0 for logprob in out["logprobs"])
    assert list(out["mean_activity"]) == list(LEVELS)
    assert out["timings"]["tokens_per_second"] > 0
    assert out["timings"]["generated_tokens"] == len(out["token_ids"])


def test_the_same_seed_gives_the_same_answer(capsys) -> None:
    drawn = ("--temperature", "9", "--top-k", "0", "--top-p", "1", "--max-tokens", "8")
    argv = ("chat", "--prompt", "Hello", *drawn, "--seed")
    first, again, other = (_json(capsys, *argv, seed)["token_ids"] for seed in ("7", "7", "8"))
    assert first == again and first != other


def test_ingest_search_and_ask_work_over_one_workspace(tmp_path: Path, capsys) -> None:
    text = "# Belvaro\n\nThe mayor of Belvaro is Tindra Okmel. She lives near the old mill.\n"
    (tmp_path / "town.md").write_text(text)
    (tmp_path / "empty.txt").write_text("")
    where = ("--workspace", str(tmp_path / "space"))
    paths = (str(tmp_path / "town.md"), str(tmp_path / "empty.txt"))
    out = _json(capsys, "ingest", *paths, *where)
    states = {row["name"]: row["state"] for row in out["documents"]}
    assert states == {"town.md": "ready", "empty.txt": "failed"} and out["failed"] == 1
    hits = _json(capsys, "search", "mayor of Belvaro", *where)["hits"]
    assert "Tindra Okmel" in hits[0]["text"] and hits[0]["document"] == "town.md"
    asked = _json(capsys, "ask", "Who is the mayor of Belvaro?", *where)
    for citation in asked["citations"]:
        start, end = citation["span"]
        assert text[start:end] == citation["text"] and citation["document"] == "town.md"


def test_plan_adds_up(capsys) -> None:
    out = _json(capsys, "plan", str(STARTER), "--ctx", "512")
    assert out["fits"] and out["n_ctx"] == 512
    assert sum(part["bytes"] for part in out["parts"]) == out["total_bytes"]


def test_doctor_finds_what_is_installed(capsys) -> None:
    out = _json(capsys, "doctor")
    assert out["ok"] and out["missing"] == [] and out["packages"]["torch"].startswith("2.13")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("chat", "--prompt", "x", "--model", "no/such/model"), "no/such/model"),
        (("chat", "--prompt", "x", "--level", "attic=a"), "not a level"),
        (("chat", "--prompt", "x", "--level", "domain=a:9"), "out of range"),
        (("chat", "--prompt", "x", "--temperature", "-1"), "--temperature"),
        (("chat", "--prompt", "x", "--max-tokens", "0"), "--max-tokens"),
        (("chat", "--prompt", "x", "--ctx", "-5"), "-5 tokens"),
        (("chat", "--prompt", "x", "--threads", "0"), "0 threads"),
        (("chat", "--prompt", "x", "--gpu-layers", "-7"), "-7 GPU layers"),
        (("chat", "--prompt", "x", "--model", str(GGUF), "--ctx", "0"), "0 tokens"),
        (("plan", str(STARTER), "--ctx", "-5"), "-5 tokens"),
        (("bench", "nothing"), "no benchmark"),
        (("search", "x", "-k", "0"), "-k"),
    ],
)
def test_bad_input_is_exit_code_2_with_a_way_out(argv, words, capsys) -> None:
    error = _json(capsys, *argv, code=2)["error"]
    assert words in error["text"] and error["hint"]


def test_an_adapter_that_does_not_fit_is_named_and_refused(tmp_path: Path, capsys) -> None:
    error = _json(capsys, "levels", "--level", f"domain={tmp_path}", code=2)["error"]
    assert error["text"] and error["hint"]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("domain=a/b", LevelArgument("domain", "a/b", 1.0)),
        ("agent=a.gguf:-0.5", LevelArgument("agent", "a.gguf", -0.5)),
        ("swarm=C:/models/x", LevelArgument("swarm", "C:/models/x", 1.0)),
    ],
)
def test_a_level_argument_is_read(text: str, parsed: LevelArgument) -> None:
    assert parse_level(text) == parsed


@pytest.mark.parametrize("text", ["domain", "domain=", "=a", "domain=a:3"])
def test_a_bad_level_argument_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_level(text)
