"""The starter's recipe: a consistent world, rows as the tokenizer has them, weights that fit transformers."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from resources.starter import recipe
from resources.starter.conversation import Plan, converse, messages, strip_marks
from resources.starter.encode import Encoder
from resources.starter.evaluate import answer_case, body, citation, score
from resources.starter.export import llama_config, llama_names
from resources.starter.muon import orthogonalise
from resources.starter.names import Names
from resources.starter.network import Shape, Starter
from resources.starter.tokenizer import save_tokenizer, train_tokenizer
from resources.starter.world import ABSENT, RELATIONS

TINY = Shape(vocabulary=1024, width=64, layers=6, heads=4, kv_heads=2, hidden=64)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(train_tokenizer(seed=1, vocabulary=TINY.vocabulary, words=3000))


def test_names_of_training_and_evaluation_never_meet() -> None:
    seen = Names(random.Random(1))
    unseen = Names(random.Random(1), held_out=True)
    assert not {seen.word() for _ in range(4000)} & {unseen.word() for _ in range(4000)}


def test_every_answer_stands_in_the_cited_passage() -> None:
    names = Names(random.Random(2))
    for _ in range(200):
        conversation = converse(names.rng, names, Plan(3, 3, 0.3, 4))
        for turn in conversation.turns:
            if turn.fact is not None:
                cited = strip_marks(conversation.scene.passages[turn.fact.passage - 1]).lower()
                assert body(strip_marks(turn.answer)).lower() in cited
                assert citation(turn.answer) == f"[{turn.fact.passage}]"
            elif turn.mode != "chat":
                assert turn.answer == ABSENT


def test_absent_questions_have_no_fact() -> None:
    names = Names(random.Random(3))
    for _ in range(200):
        conversation = converse(names.rng, names, Plan(3, 3, 0.3, 4), absent_share=1.0)
        told = {(fact.thing.index, fact.relation) for fact in conversation.scene.facts}
        for turn in conversation.turns:
            if turn.mode == "untold relation":
                assert turn.thing is not None
                assert len({relation for thing, relation in told if thing == turn.thing.index}) >= 1


def test_rows_equal_the_chat_template(encoder: Encoder, tmp_path: Path) -> None:
    save_tokenizer(encoder.tokenizer, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    names = Names(random.Random(4))
    for _ in range(30):
        conversation = converse(names.rng, names, Plan(3, 2, 0.3, 1))
        chat = messages(conversation)
        row = encoder.row(conversation, 2000)
        start, end = row.answers[0]
        prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        assert tokenizer(prompt, add_special_tokens=False)["input_ids"] == row.tokens[:start]
        answer = tokenizer.decode(row.tokens[start:end], skip_special_tokens=True)
        assert answer == strip_marks(conversation.turns[0].answer)


def test_citation_markers_are_one_token(encoder: Encoder) -> None:
    for number in range(1, 10):
        assert encoder.tokenizer.encode(f"Anna [{number}].").tokens[-2:] == [f"[{number}]", "."]


def test_guides_of_copied_tokens_point_at_equal_tokens(encoder: Encoder) -> None:
    names = Names(random.Random(5))
    for _ in range(50):
        row = encoder.row(converse(names.rng, names, Plan(3, 2, 0.3, 3)), 2000)
        for what, query, key in row.pairs:
            assert key <= query
            if what == 2 and key:
                copied, source = row.tokens[query + 1], row.tokens[key]
                assert encoder.unspaced[copied] == encoder.unspaced[source]


def test_exported_weights_give_the_same_logits(encoder: Encoder) -> None:
    torch.manual_seed(0)
    model = Starter(TINY, len(RELATIONS)).eval()
    llama = LlamaForCausalLM(llama_config(TINY, encoder.tokenizer)).eval()
    llama.load_state_dict(llama_names(model), strict=False)
    llama.tie_weights()
    tokens = torch.randint(0, TINY.vocabulary, (2, 40))
    with torch.no_grad():
        assert torch.allclose(llama(tokens).logits, model.logits(tokens), atol=1e-4)


def test_a_step_of_training_has_finite_losses(encoder: Encoder) -> None:
    rng = random.Random(6)
    rows, length = recipe.draw_rows(rng, Names(rng), encoder, 0)
    batch = recipe.batch(rows, length, rng)
    loss, guided = Starter(TINY, len(RELATIONS))(
        batch.tokens, batch.at, batch.targets, batch.weights, batch.guides
    )
    (loss + guided).backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(guided)


def test_orthogonalised_updates_have_singular_values_near_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(1, 32, 64))[0])
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_rates_warm_up_and_end_at_zero() -> None:
    assert recipe.rate_factor(0, 1000) < 0.05
    assert recipe.rate_factor(300, 1000) == 1.0
    assert recipe.rate_factor(1000, 1000) == 0.0


def test_scores_count_answers_and_citations_apart() -> None:
    case = answer_case(Names(random.Random(7), held_out=True), 3)
    wrong_number = f"{body(case.expected)} [9]."
    result = score([case, case], [case.expected, wrong_number])
    assert result["answer with passage"]["share"] == 1.0
    assert result["citation number"]["share"] == 0.5


def test_sample_questions_name_files_and_pages_that_hold_the_answer() -> None:
    folder = Path(__file__).parents[2] / "resources" / "samples"
    make = pytest.importorskip("resources.samples.make")
    by_file = {document.file: document for document in make.documents()}
    listed = json.loads((folder / "questions.json").read_text("utf-8"))
    for entry in listed["questions"]:
        if entry["answer"] is None:
            continue
        document = by_file[entry["file"]]
        places = [i for i, (_, text) in enumerate(document.sections) if entry["answer"] in text]
        assert places
        if entry["page"] is not None:
            assert entry["page"] in {make.page_of(document, place) for place in places}
    assert set(listed["suggested"]) <= {entry["question"] for entry in listed["questions"]}
