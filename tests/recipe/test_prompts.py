import pytest

from espnet_st.data.kaldi import read_table, write_table


@pytest.fixture
def codes_dir(tmp_path):
    keys = ["a-1", "a-2", "a-3", "b-1", "b-2"]
    write_table(tmp_path / "codes.scp", {key: f"codes.ark:{key}" for key in keys})
    write_table(tmp_path / "spk2utt", {"a": "a-1 a-2 a-3 a-9", "b": "b-1 b-2"})
    return tmp_path


def test_a_prompt_is_another_utterance_of_the_speaker(codes_dir, script):
    code, said = script("scripts/make_prompts.py", codes_dir)
    assert code == 0, said
    found = read_table(codes_dir / "prompt.scp")
    codes = read_table(codes_dir / "codes.scp")
    assert found.keys() == codes.keys()
    for key, place in found.items():
        assert place != codes[key] and place.startswith(f"codes.ark:{key[0]}")
    assert len(set(found.values())) == len(codes), "each is a prompt once"


def test_a_speaker_of_one_utterance_is_refused(codes_dir, script):
    write_table(codes_dir / "spk2utt", {"a": "a-1 a-2 a-3", "b": "b-1"})
    code, said = script("scripts/make_prompts.py", codes_dir)
    assert code == 1 and "speaker b has one utterance, b-1" in said
    assert "nar_prompt: prefix" in said
