//! Outputs: what services publish, what others were started with, and who reacts to a change.

use super::{Action, Engine, state::State};
use crate::{
    model::{Ready, ServiceId},
    text::expand,
};
use supervisor::time::Instant;

impl Engine {
    /// A service published values; its readers react if what they read is different now.
    pub(super) fn published(
        &mut self,
        now: Instant,
        id: ServiceId,
        generation: u32,
        values: Vec<(u16, Option<String>)>,
        out: &mut Vec<Action>,
    ) {
        let Some(dynamic) = self.dynamic.get_mut(id.index()) else { return };
        let up = matches!(dynamic.state, State::Starting(_) | State::Ready(_));
        if dynamic.generation != generation || !up {
            self.stale += 1;
            return;
        }
        let mut changed = false;
        for (output, value) in values {
            if let Some(slot) = dynamic.values.get_mut(usize::from(output))
                && *slot != value
            {
                *slot = value;
                changed = true;
            }
        }
        if changed {
            out.push(Action::Publish(id));
        }
        self.check_outputs(now, id, out);
        // Readers of a service that is not ready (any more) see its values when it is, as a whole.
        if changed && self.is_ready(id) {
            // Some may have waited for just this one.
            self.wake_neighbours(id);
            self.tell_readers(now, id, out);
        }
    }

    /// A service that is ready by its outputs becomes so, or ceases to be.
    pub(super) fn check_outputs(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        if self.readiness(id) != Some(Ready::Outputs) {
            return;
        }
        let outputs = self.graph.node(id).outputs();
        let values = &self.dynamic[id.index()].values;
        let complete = outputs.zip(values).all(|(output, value)| output.fixed || value.is_some());
        match self.dynamic[id.index()].state {
            State::Starting(process) if complete => self.became_ready(now, id, process, out),
            // It took a value back, as a DHCP client does when its lease is lost.
            State::Ready(process) if !complete => {
                self.set_state(now, id, State::Starting(process), out);
            }
            _ => {}
        }
    }

    /// Whether what `reader` was started with differs from what `publisher` publishes now.
    pub(super) fn values_differ(&self, reader: ServiceId, publisher: ServiceId) -> bool {
        let bound = &self.dynamic[reader.index()].bound;
        let current = &self.dynamic[publisher.index()].values;
        let mut reads = self.graph.node(reader).reads().enumerate();
        reads.any(|(position, read)| {
            read.service == publisher && bound[position] != current[usize::from(read.output)]
        })
    }

    /// Whether `publisher` does not publish something that `reader` cannot do without.
    pub(super) fn lacks_value_of(&self, reader: ServiceId, publisher: ServiceId) -> bool {
        let current = &self.dynamic[publisher.index()].values;
        self.graph.node(reader).reads().any(|read| {
            read.service == publisher
                && read.required
                && current[usize::from(read.output)].is_none()
        })
    }

    /// Takes over the present values of everything that the service reads; answers whether one is new.
    pub(super) fn bind(&mut self, id: ServiceId) -> bool {
        let mut changed = false;
        let mut position = 0;
        while let Some(read) = self.graph.node(id).read(position) {
            let slot = position;
            position += 1;
            let value = &self.dynamic[read.service.index()].values[usize::from(read.output)];
            let ready = self.is_ready(read.service);
            // While a publisher is away, what was read from it last stays good for soft readers. What a
            // group repeats is what its members have now.
            let good = ready && (value.is_some() || !read.required);
            if !good && !self.graph.node(id).is_group() {
                continue;
            }
            let value = value.as_deref().filter(|_| ready);
            if self.dynamic[id.index()].bound[slot].as_deref() != value {
                let value = value.map(str::to_owned);
                self.dynamic[id.index()].bound[slot] = value;
                changed = true;
            }
        }
        changed
    }

    /// Publishes the outputs whose value the definition gives; answers whether one is new.
    pub(super) fn publish_fixed(&mut self, id: ServiceId, out: &mut Vec<Action>) -> bool {
        let mut changed = false;
        // Nobody needs them in between; most services have none.
        let mut texts = Vec::new();
        if self.graph.node(id).outputs().any(|output| output.fixed) {
            texts = self.graph.record(id).map_or(texts, |record| record.values);
        }
        let mut texts = texts.iter();
        for (position, output) in self.graph.node(id).outputs().enumerate() {
            let bound = &self.dynamic[id.index()].bound;
            let value = |read: u16| bound.get(usize::from(read))?.as_deref();
            // A reference without a value leaves the output unset; its readers wait for it.
            let new = if output.fixed {
                texts.next().and_then(|text| expand(text, &value).ok())
            } else if output.from.is_empty() {
                continue;
            } else {
                self.source(id, output.from).and_then(value).map(str::to_owned)
            };
            let value = new.filter(|value| output.kind.accepts(value));
            let slot = &mut self.dynamic[id.index()].values[position];
            changed |= *slot != value;
            *slot = value;
        }
        self.dynamic[id.index()].rebound = false;
        if changed {
            out.push(Action::Publish(id));
        }
        changed
    }

    /// It took over other values while it was ready: what it publishes may follow from them.
    pub(super) fn publish_again(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        if self.publish_fixed(id, out) {
            self.wake_neighbours(id);
            self.tell_readers(now, id, out);
        }
        if self.graph.node(id).is_group() {
            // A failover may have turned to another alternative.
            self.tell_soft_dependents(now, id, out);
        }
    }

    /// It is down: nothing that it published holds any longer.
    pub(super) fn withdraw(&mut self, id: ServiceId, out: &mut Vec<Action>) {
        let values = &mut self.dynamic[id.index()].values;
        if values.iter().any(Option::is_some) {
            values.iter_mut().for_each(|value| *value = None);
            out.push(Action::Withdraw(id));
        }
    }

    /// The value that the service was last started with, for its texts.
    #[must_use]
    pub fn bound(&self, id: ServiceId, read: u16) -> Option<&str> {
        self.dynamic.get(id.index())?.bound.get(usize::from(read))?.as_deref()
    }

    /// What a service publishes now: its outputs with their values.
    pub fn outputs(
        &self,
        id: ServiceId,
    ) -> impl Iterator<Item = (super::NodeOutput<'_>, Option<&str>)> {
        let values = self.dynamic.get(id.index());
        let values = values.map(|dynamic| dynamic.values.as_slice()).unwrap_or_default();
        self.graph.node(id).outputs().zip(values.iter().map(Option::as_deref))
    }
}
