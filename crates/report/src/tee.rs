//! Two reports of one run: what a person reads, and the events in a file.

use provision_engine::event::{Event, Reporter};

/// Tells both of everything.
pub struct Tee {
    pub first: Box<dyn Reporter>,
    pub second: Box<dyn Reporter>,
}

impl Reporter for Tee {
    fn event(&mut self, event: &Event) {
        self.first.event(event);
        self.second.event(event);
    }
    fn suspend(&mut self) {
        self.first.suspend();
        self.second.suspend();
    }
    fn resume(&mut self) {
        self.first.resume();
        self.second.resume();
    }
}
