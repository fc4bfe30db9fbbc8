//! Measures what the engine would feel of a model, whatever runs it.

use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::feature_schema::TOTAL_INPUT_FEATURES;

/// Times in microseconds, memory in KiB.
#[derive(Serialize)]
pub struct Measurements {
    load_us: f64,
    single: Latency,
    /// Two threads that share the session behind a mutex; a time includes waiting for the lock.
    shared_by_two: Latency,
    /// Resident memory of the process before and after the measured predictions.
    resident_before_kib: u64,
    resident_after_kib: u64,
}

#[derive(Serialize)]
struct Latency {
    predictions: usize,
    p50_us: f64,
    p99_us: f64,
    /// Over all threads together.
    per_second: f64,
}

/// One prediction: 453 features to 42 outputs.
type Run<M> = fn(&mut M, &[f32]) -> Result<Vec<f32>, Box<dyn Error>>;

/// Loads a model and predicts `predictions` times from one thread, then as often from two.
pub fn measure<M: Send>(
    load: impl FnOnce() -> Result<M, Box<dyn Error>>,
    run: Run<M>,
    predictions: usize,
) -> Result<Measurements, Box<dyn Error>> {
    let start = Instant::now();
    let model = load()?;
    let load_us = micros(start.elapsed());
    let model = Mutex::new(model);

    // Written to, so that its memory counts before the run and not as growth; the first runs allocate what later ones
    // use again.
    let mut times = vec![1.0; predictions];
    let warm_up = 1_000.min(predictions);
    predict(&model, run, &mut times[..warm_up])?;
    let resident_before_kib = resident_kib()?;
    let single = latency(&model, run, &mut times, 1)?;
    let shared_by_two = latency(&model, run, &mut times, 2)?;
    Ok(Measurements { load_us, single, shared_by_two, resident_before_kib, resident_after_kib: resident_kib()? })
}

/// Fills `times` from several threads at once, a share each.
fn latency<M: Send>(
    model: &Mutex<M>,
    run: Run<M>,
    times: &mut [f64],
    threads: usize,
) -> Result<Latency, Box<dyn Error>> {
    let share = times.len().div_ceil(threads);
    let start = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = times.chunks_mut(share).map(|part| scope.spawn(|| predict(model, run, part))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker panicked"))
    })?;
    let total = start.elapsed();
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    Ok(Latency {
        predictions: times.len(),
        p50_us: at(0.50),
        p99_us: at(0.99),
        per_second: times.len() as f64 / total.as_secs_f64(),
    })
}

/// Predicts once for each place in `times`, in microseconds.
fn predict<M>(model: &Mutex<M>, run: Run<M>, times: &mut [f64]) -> Result<(), String> {
    for (index, time) in times.iter_mut().enumerate() {
        let features = example(index);
        let start = Instant::now();
        let outputs = run(&mut model.lock().expect("a worker panicked"), &features);
        *time = micros(start.elapsed());
        black_box(outputs.map_err(|error| error.to_string())?);
    }
    Ok(())
}

/// Features in 0..1 that differ from one prediction to the next.
fn example(index: usize) -> Vec<f32> {
    (0..TOTAL_INPUT_FEATURES).map(|column| ((index * 31 + column * 17) % 100) as f32 / 100.0).collect()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Resident memory of this process, as `ps` says it (Linux and macOS alike).
fn resident_kib() -> Result<u64, Box<dyn Error>> {
    let pid = std::process::id().to_string();
    let output = Command::new("ps").args(["-o", "rss=", "-p", &pid]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
