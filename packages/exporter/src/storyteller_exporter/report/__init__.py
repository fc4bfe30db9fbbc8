"""Pages to look at: what a run did, how good it is and where it is wrong; models compared; model cards."""
