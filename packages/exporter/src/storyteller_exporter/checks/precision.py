"""Whether a file holds rounded weights: what its notes and the part of its graph that is used say together."""

from __future__ import annotations

from storyteller_exporter.checks.verification_report import Status, Verification
from storyteller_exporter.onnx import metadata_props
from storyteller_exporter.sandbox.messages import GraphFacts

#: Of the stored numbers that the outputs are computed from, the share in eight bits from which a file is int8. In
#: every one of ours it is above 0.95.
SHARE = 0.5


def check_precision(report: Verification, facts: GraphFacts) -> bool:
    """Adds what the file says of its precision; whether it is judged by its worth and not by parity.

    Only a file whose notes and whose graph both say int8 is: any other has to give PyTorch's numbers.
    """
    noted = report.metadata.get(metadata_props.PRECISION)
    eight_bits = facts.used > 0 and facts.eight_bits >= SHARE * facts.used
    found = f"{facts.eight_bits:,} of the {facts.used:,} stored numbers that are used are in eight bits"
    if noted == metadata_props.INT8 and eight_bits:
        report.add("precision", Status.OK, f"int8: {found}")
        return True
    if noted == metadata_props.INT8:
        report.add("precision", Status.FAILED, f"its notes say int8, but {found}: judged as float32; export again")
    elif eight_bits and noted is not None:
        report.add("precision", Status.FAILED, f"its notes say {noted}, but {found}; export again")
    elif eight_bits:
        report.add("precision", Status.WARNING, f"{found}, and no note says so: judged as float32")
    else:
        report.add("precision", Status.OK, "float32")
    return False
