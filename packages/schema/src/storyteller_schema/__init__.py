"""The contract between the Storyteller engine and this workspace: layouts, codecs, labels and the drift check."""
