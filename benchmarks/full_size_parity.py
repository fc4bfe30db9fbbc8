"""Export and verify full-size event encoders with random weights: size, time, memory, worst difference from PyTorch.

    .venv/bin/python benchmarks/full_size_parity.py
    .venv/bin/python benchmarks/full_size_parity.py modernbert deberta-v2

The architectures are those of distilbert-base-uncased, deberta-v3-small and ModernBERT-base. Nothing is downloaded:
what is measured is the export, for which trained weights are not needed. The tokenizer is that of the installed MiniLM.
"""

from __future__ import annotations

import argparse
import platform
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from storyteller_exporter.export.events import export_events
from storyteller_exporter.verify.verification import verify
from storyteller_trainer.events.data.strategy import Strategy
from storyteller_trainer.events.model.checkpoint import EventMetadata, save_encoder, save_weights, tokenizer_hash
from storyteller_trainer.events.model.classifiers import Task, build_model
from storyteller_trainer.events.model.encoders import Encoder, load_encoder
from storyteller_trainer.runs.run_files import BEST
from transformers import AutoConfig, AutoModel

#: Where transformers' default configuration of a family is not the published model's.
SIZES: dict[str, dict[str, Any]] = {
    "distilbert": {},
    "modernbert": {},
    "deberta-v2": {
        "vocab_size": 128_100,
        "hidden_size": 768,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "relative_attention": True,
        "position_buckets": 256,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
}


def save_runs(runs: Path, family: str) -> None:
    """Writes the runs `event` and `ner` of an encoder with random weights."""
    torch.manual_seed(0)
    tokenizer = load_encoder("minilm").tokenizer
    config = AutoConfig.for_model(family, **SIZES[family])
    encoder = Encoder(family, AutoModel.from_config(config), tokenizer)  # type: ignore[no-untyped-call]
    for task in (Task.EVENT, Task.NER):
        model = build_model(task, encoder.model)
        about = EventMetadata(
            task=task,
            encoder=f"{family}, random weights",
            family=family,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            epoch=0,
            validation={},
            data_hash="",
            seed=0,
            split=Strategy.RANDOM,
            tokenizer_hash=tokenizer_hash(tokenizer),
        )
        save_encoder(runs / task, encoder)
        save_weights(runs / task / BEST, model, about)


def measure(family: str) -> None:
    """Prints a line for each file of the family."""
    with tempfile.TemporaryDirectory() as folder:
        runs, output = Path(folder) / "runs", Path(folder) / "models"
        save_runs(runs, family)
        start = time.perf_counter()
        exported = export_events(runs, output)
        export_seconds = time.perf_counter() - start
        start = time.perf_counter()
        reports = verify(output, checkpoint=runs)
        verify_seconds = time.perf_counter() - start
        for file, report in zip(exported.files, reports, strict=True):
            worst = max(difference.worst or 0.0 for difference in report.differences)
            verdict = "passed" if report.passed else "FAILED"
            print(f"{family:<12} {Path(file.file).name:<22} {file.bytes / 1e6:7.1f} MB  worst {worst:.1e}  {verdict}")
        print(f"{family:<12} both files: export {export_seconds:.0f} s, verify {verify_seconds:.0f} s")


def main() -> None:
    """Measures the families named on the command line, distilbert if none is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="family", help=f"of {', '.join(SIZES)} [default: distilbert]")
    for family in parser.parse_args().families or ["distilbert"]:
        measure(family)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
    print(f"peak memory {peak / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
