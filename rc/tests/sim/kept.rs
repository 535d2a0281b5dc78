//! The copy of an engine's state that a shell keeps: brought up to date after each event with what that
//! touched, and nothing else.

use super::plan::id;
use rc::engine::{Engine, Graph, RestoreError};

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Kept {
    head: Vec<u8>,
    /// Empty if it was never touched.
    records: Vec<Vec<u8>>,
    /// What those are that were never touched.
    fresh: Vec<Vec<u8>>,
}

impl Kept {
    /// Everything as it is now.
    pub fn whole(engine: &mut Engine) -> Self {
        let services = 0..engine.graph().len();
        let records = services.map(|at| engine.save_record(id(at), Vec::new())).collect();
        Self { head: engine.save_head(Vec::new()), records, fresh: Vec::new() }
    }

    /// Takes over what was touched.
    pub fn follow(&mut self, engine: &mut Engine) {
        if self.records.is_empty() {
            self.fresh = Self::whole(&mut Engine::new(engine.graph().clone())).records;
            self.records.resize(self.fresh.len(), Vec::new());
        }
        if engine.head_was_touched() {
            self.head.clear();
            self.head = engine.save_head(core::mem::take(&mut self.head));
        }
        while let Some(service) = engine.next_touched() {
            let record = &mut self.records[service.index()];
            record.clear();
            *record = engine.save_record(service, core::mem::take(record));
        }
    }

    /// Whether it is everything as it is now; `scratch` is room that is used again.
    pub fn is_whole(&self, engine: &mut Engine, scratch: &mut Vec<u8>) -> bool {
        scratch.clear();
        *scratch = engine.save_head(core::mem::take(scratch));
        let is_head = *scratch == self.head;
        is_head
            && self.records.iter().enumerate().all(|(at, record)| {
                scratch.clear();
                *scratch = engine.save_record(id(at), core::mem::take(scratch));
                scratch == if record.is_empty() { &self.fresh[at] } else { record }
            })
    }

    /// An engine that goes on from it.
    pub fn restore(&self, graph: &Graph) -> Result<Engine, RestoreError> {
        let record = &mut |service: rc::model::ServiceId, bytes: &mut Vec<u8>| {
            bytes.extend(self.records.get(service.index()).into_iter().flatten());
        };
        Engine::restore(graph.clone(), &self.head, record)
    }
}
