//! JSON lines in on stdin, JSON lines out on stdout.

use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a value from every line of stdin and writes what `work` makes of it.
pub fn each_line<In: DeserializeOwned, Out: Serialize>(
    mut work: impl FnMut(In) -> Result<Out, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        serde_json::to_writer(&mut out, &work(serde_json::from_str(&line?)?)?)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Writes one value as a line.
pub fn print_line(value: &impl Serialize) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    Ok(out.write_all(b"\n")?)
}
