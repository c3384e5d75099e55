//! One JSON object per line per event, for programs.

use provision_engine::event::{Event, Reporter};
use std::io::Write;

/// Writes each event as it is; the shape is `provision_engine::event::SCHEMA`'s.
pub struct Json {
    out: Option<Box<dyn Write + Send>>,
}

impl Json {
    pub fn new(out: Box<dyn Write + Send>) -> Json {
        Json { out: Some(out) }
    }
}

impl Reporter for Json {
    fn event(&mut self, event: &Event) {
        let Some(out) = &mut self.out else { return };
        let mut line = serde_json::to_vec(event).unwrap_or_default();
        line.push(b'\n');
        // One write per line, so that lines stay whole; nobody reads on after an error.
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            self.out = None;
        }
    }
}
