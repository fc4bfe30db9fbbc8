//! Loads the `event_classifier` folder and reads a sentence: which kinds of event it tells, and where its entities are.

use std::error::Error;
use std::path::Path;

use ort::environment::Environment;
use ort::inputs;
use ort::session::Session;
use ort::value::TensorRef;
use serde::Serialize;
use tokenizers::{Tokenizer, TruncationParams};

use crate::event_labels::{BIO_LABELS, EVENT_KIND_LABELS, EVENT_THRESHOLD, MAX_SEQ_LENGTH};
use crate::model::open;
use crate::prediction::last_argmax;

/// An entity: a half-open range of bytes of the sentence.
#[derive(Debug, PartialEq, Serialize)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    pub category: &'static str,
    /// Mean softmax probability of the tokens.
    pub confidence: f64,
}

/// What a sentence tells.
#[derive(Debug, Serialize)]
pub struct Reading {
    pub kinds: Vec<&'static str>,
    pub spans: Vec<Span>,
}

/// Both classifiers and their tokenizer.
pub struct EventClassifier {
    tokenizer: Tokenizer,
    events: Session,
    entities: Session,
}

impl EventClassifier {
    /// Loads `tokenizer.json`, `event_classifier.onnx` and `ner_classifier.onnx`.
    pub fn load(environment: &Environment, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let path = folder.join("tokenizer.json");
        let mut tokenizer = Tokenizer::from_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let truncation = TruncationParams { max_length: MAX_SEQ_LENGTH, ..Default::default() };
        tokenizer.with_padding(None).with_truncation(Some(truncation)).map_err(|error| error.to_string())?;
        Ok(Self {
            tokenizer,
            events: open(environment, &folder.join("event_classifier.onnx"))?,
            entities: open(environment, &folder.join("ner_classifier.onnx"))?,
        })
    }

    /// Reads one sentence, padded to the full length with id 0 and mask 0.
    pub fn read(&mut self, sentence: &str) -> Result<Reading, Box<dyn Error>> {
        let encoding = self.tokenizer.encode(sentence, true).map_err(|error| error.to_string())?;
        let mut ids: Vec<i64> = encoding.get_ids().iter().map(|id| i64::from(*id)).collect();
        let mut mask = vec![1_i64; ids.len()];
        ids.resize(MAX_SEQ_LENGTH, 0);
        mask.resize(MAX_SEQ_LENGTH, 0);

        let event_logits = logits(&mut self.events, &ids, &mask)?;
        let kinds = EVENT_KIND_LABELS
            .into_iter()
            .zip(event_logits)
            .filter(|(_, logit)| sigmoid(*logit) > EVENT_THRESHOLD)
            .map(|(kind, _)| kind)
            .collect();

        let token_logits = logits(&mut self.entities, &ids, &mask)?;
        // Padding has logits too; `zip` ends with the tokens.
        let tokens: Vec<Token> = encoding
            .get_offsets()
            .iter()
            .zip(encoding.get_special_tokens_mask())
            .zip(token_logits.chunks(BIO_LABELS.len()))
            .map(|((offsets, special), logits)| Token::new(*offsets, *special == 1, logits))
            .collect();
        Ok(Reading { kinds, spans: assemble(&tokens) })
    }
}

fn logits(session: &mut Session, ids: &[i64], mask: &[i64]) -> Result<Vec<f32>, Box<dyn Error>> {
    let shape = [1, ids.len()];
    let outputs = session.run(inputs![
        "input_ids" => TensorRef::from_array_view((shape, ids))?,
        "attention_mask" => TensorRef::from_array_view((shape, mask))?,
    ])?;
    Ok(outputs["logits"].try_extract_tensor::<f32>()?.1.to_vec())
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// A token's place in the sentence and its most probable label.
struct Token {
    start: usize,
    end: usize,
    /// None for a token that stands for no text.
    label: Option<&'static str>,
    confidence: f64,
}

impl Token {
    fn new((start, end): (usize, usize), special: bool, logits: &[f32]) -> Self {
        let best = last_argmax(logits);
        let highest = f64::from(logits[best]);
        let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - highest).exp()).sum();
        Self { start, end, label: (!special).then_some(BIO_LABELS[best]), confidence: 1.0 / sum }
    }
}

/// Joins tokens into spans: B- opens one, I- of the same category extends it, anything else closes it, and an I- that
/// extends nothing is dropped.
fn assemble(tokens: &[Token]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open: Option<usize> = None; // tokens in the last span, while it can grow
    for token in tokens {
        let (prefix, category) = token.label.and_then(|label| label.split_once('-')).unwrap_or(("O", ""));
        match (prefix, open, spans.last_mut()) {
            ("B", ..) => {
                spans.push(Span { start: token.start, end: token.end, category, confidence: token.confidence });
                open = Some(1);
            }
            ("I", Some(count), Some(span)) if span.category == category => {
                span.end = token.end;
                // The mean so far, moved by one more.
                span.confidence += (token.confidence - span.confidence) / (count + 1) as f64;
                open = Some(count + 1);
            }
            _ => open = None,
        }
    }
    spans
}
