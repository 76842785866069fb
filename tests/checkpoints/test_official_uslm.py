"""The release's equations and ours are one; names, shapes and sizes are the release's.

`official_uslm` states the official side again, from the paper and the release.
"""

import pytest
import torch
from official_uslm import (
    ar_logits,
    double,
    nar_logits,
    random_release,
    shapes,
    speak,
    ties,
)

from espnet_st.checkpoints.official_uslm import (
    build_on_meta,
    conf_from_official,
    official_names,
    options_to_official,
    shared_names,
    state_from_official,
    state_to_official,
)
from espnet_st.uslm.decoding.prompts import Prompt
from espnet_st.uslm.uslm import USLM

HEADS = 3
TEXT = torch.tensor([1, 5, 4, 11, 3, 7, 2])
CODES = torch.tensor(
    [[3, 0, 8, 8, 1], [1, 4, 4, 0, 7], [5, 6, 0, 2, 2], [8, 1, 3, 3, 0]]
)
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}


def load(state, **conf):
    """Our model with an official state dict."""
    conf = conf_from_official(state, HEADS) | conf
    model = USLM(**conf).eval().requires_grad_(False)
    model.load_state_dict(state_from_official(state, model))
    return model


def close(ours, theirs):
    limit = TOLERANCE[ours.dtype]
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < limit * theirs.abs().max()


def numbered(size):
    return torch.arange(size).float()[None]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ar_logits_are_the_official_ones(seed, dtype):
    state = random_release(seed)
    given = TEXT[None], torch.tensor([7]), numbered(7)
    ours = load(state).to(dtype).ar(*given, CODES[:1])[0]
    close(ours, ar_logits(double(state), HEADS, TEXT, CODES[0]))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("frames", [0, 2])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nar_logits_are_the_official_ones_in_and_after_a_prompt(seed, frames, dtype):
    state = random_release(seed)
    model = load(state).to(dtype)
    prompt = torch.arange(5)[None] < frames
    for stage in (1, 2, 3):
        known = CODES.clone()
        known[stage:, frames:] = 0  # not there yet
        ours = model.nar(
            TEXT[None],
            torch.tensor([7]),
            numbered(7),
            known[:, None],
            torch.tensor([5]),
            prompt,
            torch.tensor([stage]),
        )[0]
        close(ours, nar_logits(double(state), HEADS, TEXT, CODES, stage))


@pytest.mark.parametrize("frames", [0, 3])
@pytest.mark.parametrize("seed", [1, 3, 6, 7])
def test_greedy_speech_is_the_official_loops(seed, frames):
    state = random_release(seed)
    model = load(state, text_marks=[1, 4, 2]).double()
    said, wanted = torch.tensor([6, 7, 6]), torch.tensor([8, 3, 10, 5])
    prompt = Prompt(said, CODES[:, :frames]) if frames else None
    ours = model.synthesize([wanted], [prompt], temperature=0, maxlenratio=3.0)[0].codes
    # <bos> prompt _ target <eos>
    inner = [*said.tolist(), 4] if frames else []
    text = torch.tensor([1, *inner, *wanted.tolist(), 2])
    most = 15 if frames else 18  # three frames for each token of ours, <bos> included
    theirs = speak(double(state), HEADS, text, CODES[:, :frames], most)
    assert torch.equal(ours, theirs)
    assert ours.shape[1] > 3 and len(ours[1:].unique()) > 3


def test_marks_stand_around_texts_in_training_too(tiny):
    pairs = tiny.utterances([(4, 6), (2, 9)])
    marked = [(torch.tensor([5, *text, 6]), codes) for text, codes in pairs]
    loss, _, _ = tiny.build(text_marks=[5, 0, 6])(*tiny.collate(pairs))
    expected, _, _ = tiny.build()(*tiny.collate(marked))
    torch.testing.assert_close(loss, expected)


def test_marks_stand_around_texts_of_known_voices_and_others(tiny):
    marked, plain = tiny.build(text_marks=[5, 0, 6]), tiny.build()
    ((said, voice), (text, source)) = tiny.utterances([(3, 6), (4, 9)])
    known, unknown = Prompt(said, voice), Prompt(None, voice)
    before = Prompt(torch.tensor([5, *said, 0]), voice)
    after, around = torch.tensor([*text, 6]), torch.tensor([5, *text, 6])
    for given, wanted in (
        ((text, known), (after, before)),
        ((text, unknown), (around, unknown)),
        ((None, known), (None, before)),
    ):
        ours, theirs = (
            model.synthesizer.convert_voices([source[0]], [one], [prompt])[0]
            for model, (one, prompt) in ((marked, given), (plain, wanted))
        )
        assert ours.equal(theirs)
    options = dict(minlenratio=2.0, maxlenratio=2.0, temperature=0)
    for voices, wanted, ar_prompt in (
        ((known, before), after, True),
        ((known, before), around, False),
        ((unknown, unknown), around, True),
    ):
        options["ar_prompt"] = ar_prompt
        frames = 2 * len(wanted)
        ours = marked.synthesize([text], voices[:1], **options)[0].codes
        theirs = plain.synthesize([wanted], voices[1:], **options)[0].codes
        assert ours.shape[1] == frames and ours.equal(theirs)


@pytest.mark.parametrize("marks", [[0, 1], [0, 1, 7], [-1, 0, 1]])
def test_impossible_marks_are_refused(marks, tiny):
    with pytest.raises(ValueError, match="give three ids from 0 to 6"):
        tiny.build(text_marks=marks)


def test_the_release_fits():
    with torch.device("meta"):
        on_meta = {name: torch.empty(shape) for name, shape in shapes().items()}
    conf = conf_from_official(on_meta)
    model = build_on_meta(conf)
    names = official_names(model)
    ours = {names[key]: tuple(x.shape) for key, x in model.state_dict().items()}
    assert ours == shapes() and len(ours) == 372
    assert sum(p.numel() for p in model.parameters()) == 367_386_628
    shared = {names[key]: names[first] for key, first in shared_names(model).items()}
    assert shared == ties() and len(shared) == 6
    assert conf == dict(
        idim=512,
        odim=8,
        codebook_size=1024,
        d_model=1024,
        n_heads=16,
        ar_layers=12,
        nar_layers=12,
        ffn_size=4096,
        nar_stages="release",
        nar_prompt="none",
    )
    assert options_to_official(conf) == {
        "decoder-dim": 1024,
        "nhead": 16,
        "num-decoder-layers": 12,
        "num-quantizers": 8,
        "prefix-mode": 0,
        "NUM_TEXT_TOKENS": 512,
        "NUM_AUDIO_TOKENS": 1024,
    }


@pytest.mark.parametrize("sizes", [{}, dict(d_model=12, n_layers=1, n_q=3, size=5)])
def test_renaming_and_back_is_exact(sizes):
    state = random_release(3, **sizes)
    model = build_on_meta(conf_from_official(state, HEADS))
    back = state_to_official(state_from_official(state, model), model)
    assert back.keys() == state.keys()
    assert all(back[name] is state[name] for name in state)


def test_only_the_ar_models_alphas_are_learnt():
    model = build_on_meta(conf_from_official(random_release(), HEADS))
    learnt = [
        name
        for name, parameter in model.named_parameters()
        if name.endswith("alpha") and parameter.requires_grad
    ]
    assert learnt == ["ar.text_position.alpha", "ar.audio_position.alpha"]


def test_tables_that_are_not_shared_are_refused():
    state = random_release()
    state["nar_predict_layers.1.weight"] = state["nar_predict_layers.1.weight"] + 1
    model = build_on_meta(conf_from_official(state, HEADS))
    message = r"nar_predict_layers\.1\.weight and nar_audio_embeddings\.3.* differ"
    with pytest.raises(ValueError, match=message):
        state_from_official(state, model)


@pytest.mark.parametrize("n_heads", [0, -1, 5, 16])
def test_impossible_heads_are_refused(n_heads):
    with pytest.raises(ValueError, match="width 24 cannot have .* give the n_heads"):
        conf_from_official(random_release(), n_heads)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (dict(rotary=True), "ar.text_position.alpha"),
        (dict(align=True), "aligner"),
        (dict(nar_layers=1), r"nar\.decoder\.layers\.1"),
        (dict(ffn_size=32), r"linear1\.weight"),
        (dict(codebooks=torch.randn(4, 9, 5)), r"nar\.codes\."),
    ],
)
def test_what_the_official_code_cannot_build_is_refused(change, named):
    conf = conf_from_official(random_release(), HEADS) | change
    with pytest.raises(ValueError, match=f"cannot build this model.*{named}"):
        options_to_official(conf)


@pytest.mark.parametrize("half", ["ar", "nar"])
def test_a_half_is_refused(half):
    conf = conf_from_official(random_release(), HEADS) | dict(train=half)
    with pytest.raises(ValueError, match="join it with one"):
        options_to_official(conf)


def test_a_model_trained_with_prompts_has_the_official_prefix_mode():
    conf = conf_from_official(random_release(), HEADS) | dict(nar_prompt="prefix")
    options = options_to_official(conf)
    assert options["prefix-mode"] == 1 and options["nhead"] == HEADS
