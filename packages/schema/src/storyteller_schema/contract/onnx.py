"""What a file must take and give: the tensors of every ONNX file that the engine loads, each a declaration."""

from __future__ import annotations

from dataclasses import dataclass

from storyteller_schema.contract.events import BIO_LABELS, EventKind
from storyteller_schema.contract.features import FEATURES
from storyteller_schema.contract.fingerprint import event_fingerprint, fingerprint
from storyteller_schema.contract.predictions import HEADS

#: What the engine fills up with, whatever the tokenizer's own padding token is; the attention mask is 0 there.
PAD_ID = 0

#: The operator set that the engine's runtime is known to load.
OPSET = 18
#: The file format version that came with opset 18. PyTorch writes 10, whose additions (metadata on nodes, 4-bit types)
#: no file of ours uses and which ONNX Runtime before 1.18 refuses.
IR_VERSION = 8


@dataclass(frozen=True)
class Tensor:
    """An input or output: its name, its NumPy dtype, and for every axis a size, or a name where the size is free."""

    name: str
    dtype: str
    axes: tuple[str | int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}[{', '.join(map(str, self.axes))}]"


@dataclass(frozen=True)
class Interface:
    """The contract of one kind of file."""

    name: str
    #: What the engine calls the file.
    file_name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    #: Identifies the labels and layouts that the numbers stand for; written into the file's metadata.
    fingerprint: str

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, in order."""
        return [tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs, in order."""
        return [tensor.name for tensor in self.outputs]


_TOKENS = tuple(Tensor(name, "int64", ("batch", "sequence")) for name in ("input_ids", "attention_mask"))
_EVENT_AXES: tuple[str | int, ...] = ("batch", len(EventKind))
_NER_AXES: tuple[str | int, ...] = ("batch", "sequence", len(BIO_LABELS))

CHARACTER = Interface(
    "character",
    "character_predictor.onnx",
    (Tensor("features", "float32", ("batch", FEATURES.size)),),
    tuple(Tensor(head, "float32", ("batch", size)) for head, size in HEADS.items()),
    fingerprint(),
)
EVENT = Interface(
    "event", "event_classifier.onnx", _TOKENS, (Tensor("logits", "float32", _EVENT_AXES),), event_fingerprint()
)
NER = Interface("ner", "ner_classifier.onnx", _TOKENS, (Tensor("logits", "float32", _NER_AXES),), event_fingerprint())
JOINT = Interface(
    "joint",
    "joint_classifier.onnx",
    _TOKENS,
    (Tensor("event_logits", "float32", _EVENT_AXES), Tensor("ner_logits", "float32", _NER_AXES)),
    event_fingerprint(),
)

INTERFACES: tuple[Interface, ...] = (CHARACTER, EVENT, NER, JOINT)
#: Files that the engine loads together from one folder.
SETS: tuple[tuple[Interface, ...], ...] = ((CHARACTER,), (EVENT, NER), (JOINT,))
