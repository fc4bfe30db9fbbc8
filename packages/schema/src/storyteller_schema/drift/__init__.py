"""Where the engine and this workspace disagree: facts from its JSON and its Rust source, compared."""
