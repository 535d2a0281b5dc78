//! The rows of the graph arrays as the types of the model, read where they lie: one number after the
//! other, when it is asked for. Nothing here allocates, and nothing here can fail; see [`super::layout`].

use super::layout::{
    Bytes, CONDITIONS, CONFLICTS, DEPENDENTS, EDGES, HEADER, OUTPUTS, READS, Table, condition,
    edge, output, policy, read, service, tag,
};
use crate::{
    model::{
        Back, Edge, Failover, OnChange, OnFailure, Ready, ReadyWhen, Relation, Restart, ServiceId,
    },
    outputs::{OutputType, Scalar},
};
use supervisor::{backoff::Backoff, process::StopPolicy, signal::Signal, time::Millis};

/// The relations by number.
pub(super) const RELATIONS: [Relation; 5] =
    [Relation::Needs, Relation::Wants, Relation::After, Relation::Member, Relation::Alternative];

/// When something is restarted, by number.
pub(super) const RESTARTS: [Restart; 3] = [Restart::Always, Restart::OnFailure, Restart::Never];

/// What a node does, without its commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// A supervised process and how it becomes ready.
    Longrun(Ready),
    /// A program that runs to its end.
    Oneshot {
        /// Whether a program runs at start.
        up: bool,
        /// Whether a program runs at stop.
        down: bool,
    },
    /// A group that is ready when so many members are; never more than there are.
    Bundle(ReadyWhen),
    /// Alternatives, of which one is used.
    Failover(Failover),
    /// A rendered file.
    File,
}

/// An output that a node reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeRead {
    /// The service that publishes it.
    pub service: ServiceId,
    /// Its position among that service's outputs.
    pub output: u16,
    /// Whether some text cannot do without it.
    pub required: bool,
}

/// An output that a node declares.
#[derive(Clone, Copy)]
pub struct NodeOutput<'d> {
    /// Its name.
    pub key: &'d str,
    /// Its type.
    pub kind: OutputType,
    /// Whether jamb publishes it, with the value in the record. If not, and `from` is empty, the
    /// service does.
    pub fixed: bool,
    /// Of failovers: the reads whose values it has, by alternative.
    pub from: Numbers<'d>,
}

/// A condition of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeCondition<'d> {
    /// The shell knows; its fact is in the record.
    World,
    /// An output that the node reads, by position, has a value; this one, if one is given.
    Output(u16, Option<&'d str>),
}

/// A list of small numbers.
#[derive(Clone, Copy)]
pub struct Numbers<'d> {
    bytes: &'d Bytes,
    start: usize,
    length: usize,
}

impl<'d> Numbers<'d> {
    /// The number at a position.
    #[must_use]
    pub fn get(self, position: usize) -> Option<u16> {
        let inside = position < self.length;
        inside.then(|| self.bytes.half_in(Table::Numbers, self.start.saturating_add(position)))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.length
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.length == 0
    }

    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = u16> + use<'d> {
        (0..self.length).filter_map(move |position| self.get(position))
    }
}

/// When and how often health is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checkup {
    /// From one check to the next.
    pub every: Millis,
    /// The bound of one.
    pub timeout: Millis,
    /// Failures in a row that mean that the service has failed; at least 1.
    pub retries: u32,
}

/// One service as decisions see it: everything but its commands and texts.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    // Two words, so that it is passed on in registers.
    pub(super) bytes: &'d Bytes,
    /// Where its row lies.
    pub(super) at: usize,
}

impl<'d> Node<'d> {
    pub(super) fn new(bytes: &'d Bytes, index: usize) -> Self {
        Self { bytes, at: bytes.row(Table::Services, index) }
    }

    /// Its rows in the table at this position of [`SPANS`].
    #[inline(never)]
    pub(super) fn span(self, which: usize) -> (usize, usize) {
        let end = self.bytes.word(self.at + service::ENDS + 4 * which) as usize;
        let start = match self.at {
            HEADER => 0,
            _ => self.bytes.word(self.at - service::WIDTH + service::ENDS + 4 * which) as usize,
        };
        (start, end)
    }

    /// The number of its row at `position` in one of these tables.
    #[inline(never)]
    fn row(self, which: usize, position: usize) -> Option<usize> {
        let (start, end) = self.span(which);
        let row = start.saturating_add(position);
        (row < end).then_some(row)
    }

    #[inline(never)]
    fn flag(self, flag: u8) -> bool {
        self.bytes.byte(self.at + service::FLAGS) & flag != 0
    }

    pub(super) fn argument(self) -> u16 {
        self.bytes.half(self.at + service::ARGUMENT)
    }

    /// Where its policy lies.
    #[inline(never)]
    fn policy(self) -> usize {
        let number = self.bytes.half(self.at + service::POLICY);
        self.bytes.row(Table::Policies, usize::from(number))
    }

    #[inline(never)]
    fn millis(self, field: usize) -> Millis {
        Millis(self.bytes.word(self.policy() + field))
    }

    #[inline(never)]
    fn has(self, flag: u8) -> bool {
        self.bytes.byte(self.policy() + policy::FLAGS) & flag != 0
    }

    /// What it does.
    #[must_use]
    #[inline(never)]
    pub fn kind(self) -> NodeKind {
        match self.bytes.byte(self.at + service::KIND) {
            tag::LONGRUN => NodeKind::Longrun(self.ready()),
            tag::ONESHOT => {
                NodeKind::Oneshot { up: self.flag(service::UP), down: self.flag(service::DOWN) }
            }
            tag::BUNDLE_ALL => NodeKind::Bundle(ReadyWhen::All),
            tag::BUNDLE_SOME => NodeKind::Bundle(ReadyWhen::AtLeast(self.argument())),
            tag::FAILOVER => NodeKind::Failover(Failover {
                back: match self.bytes.byte(self.at + service::READY) {
                    tag::STICKY => Back::Sticky,
                    _ => Back::PreferFirst,
                },
                patience: self.millis(policy::SPAN),
            }),
            _ => NodeKind::File,
        }
    }

    fn ready(self) -> Ready {
        match self.bytes.byte(self.at + service::READY) {
            tag::READY_STARTED => Ready::Started,
            tag::READY_FD => Ready::Fd(self.argument()),
            tag::READY_NOTIFY => Ready::Notify,
            tag::READY_OUTPUTS => Ready::Outputs,
            tag::READY_CHECK => Ready::Check { every: self.millis(policy::SPAN) },
            _ => Ready::Pidfile,
        }
    }

    /// Whether it is a group that repeats outputs of its members, and has no process.
    #[must_use]
    #[inline(never)]
    pub fn is_group(self) -> bool {
        let kind = self.bytes.byte(self.at + service::KIND);
        matches!(kind, tag::BUNDLE_ALL | tag::BUNDLE_SOME | tag::FAILOVER)
    }

    /// Whether a finish program runs after each death.
    #[must_use]
    pub fn has_finish(self) -> bool {
        self.flag(service::FINISH)
    }

    /// Its place in an order in which everything that it relates to comes before it.
    #[must_use]
    #[inline(never)]
    pub fn rank(self) -> u16 {
        self.bytes.half(self.at + service::RANK)
    }

    /// A hash of its definition, the same in every database in which it is defined so: what it says of other
    /// services counts by their names. What these are defined like does not count, nor its description.
    #[must_use]
    pub fn digest(self) -> u64 {
        let at = self.at + service::DIGEST;
        u64::from(self.bytes.word(at)) | u64::from(self.bytes.word(at + 4)) << 32
    }

    /// What it relates to.
    pub fn edges(self) -> impl ExactSizeIterator<Item = Edge> + Clone + use<'d> {
        self.first_edges(usize::MAX)
    }

    /// The first of them, so many.
    pub fn first_edges(self, many: usize) -> impl ExactSizeIterator<Item = Edge> + Clone + use<'d> {
        let (start, end) = self.span(EDGES);
        (start..end.min(start.saturating_add(many))).map(move |row| self.edge_at(row))
    }

    /// What it relates to by the edge at this position.
    #[must_use]
    #[inline(never)]
    pub fn edge(self, position: usize) -> Option<Edge> {
        self.row(EDGES, position).map(|row| self.edge_at(row))
    }

    #[inline(never)]
    fn edge_at(self, row: usize) -> Edge {
        let at = self.bytes.row(Table::Edges, row);
        let relation = self.bytes.byte(at + edge::RELATION);
        let relation = RELATIONS.get(usize::from(relation)).copied().unwrap_or(Relation::After);
        Edge {
            to: ServiceId(self.bytes.half(at + edge::TO)),
            relation,
            on_change: self.change(at + edge::CHANGE),
        }
    }

    #[inline(never)]
    fn change(self, at: usize) -> OnChange {
        let argument = self.bytes.half(at + 1);
        match self.bytes.byte(at) {
            tag::RESTART => OnChange::Restart,
            tag::RENDER => OnChange::Render,
            tag::SIGNAL => OnChange::Signal(signal(usize::from(argument))),
            tag::RUN => OnChange::Run(argument),
            tag::FOLLOW => OnChange::Follow,
            _ => OnChange::Ignore,
        }
    }

    /// Who relates to it: the other service and the position of its edge.
    pub fn dependents(self) -> impl ExactSizeIterator<Item = (ServiceId, u16)> + use<'d> {
        let (start, end) = self.span(DEPENDENTS);
        (start..end).map(move |row| self.dependent_at(row))
    }

    /// One of those who relate to it.
    #[must_use]
    #[inline(never)]
    pub fn dependent(self, position: usize) -> Option<(ServiceId, u16)> {
        self.row(DEPENDENTS, position).map(|row| self.dependent_at(row))
    }

    fn dependent_at(self, row: usize) -> (ServiceId, u16) {
        let at = self.bytes.row(Table::Dependents, row);
        (ServiceId(self.bytes.half(at)), self.bytes.half(at + 2))
    }

    /// What it reads, in the order that its texts know.
    pub fn reads(self) -> impl ExactSizeIterator<Item = NodeRead> + use<'d> {
        let (start, end) = self.span(READS);
        (start..end).map(move |row| self.read_at(row))
    }

    /// What it reads at this position.
    #[must_use]
    #[inline(never)]
    pub fn read(self, position: usize) -> Option<NodeRead> {
        self.row(READS, position).map(|row| self.read_at(row))
    }

    #[inline(never)]
    fn read_at(self, row: usize) -> NodeRead {
        let at = self.bytes.row(Table::Reads, row);
        NodeRead {
            service: ServiceId(self.bytes.half(at + read::SERVICE)),
            output: self.bytes.half(at + read::OUTPUT),
            required: self.bytes.byte(at + read::REQUIRED) != 0,
        }
    }

    /// What it publishes.
    pub fn outputs(self) -> impl ExactSizeIterator<Item = NodeOutput<'d>> + use<'d> {
        let (start, end) = self.span(OUTPUTS);
        (start..end).map(move |row| self.output_at(row))
    }

    /// What it publishes at this position.
    #[must_use]
    #[inline(never)]
    pub fn output(self, position: usize) -> Option<NodeOutput<'d>> {
        self.row(OUTPUTS, position).map(|row| self.output_at(row))
    }

    #[inline(never)]
    fn output_at(self, row: usize) -> NodeOutput<'d> {
        let at = self.bytes.row(Table::Outputs, row);
        let kind = self.bytes.byte(at + output::KIND);
        let scalar = Scalar::ALL.get(usize::from(kind & !output::LIST));
        let scalar = scalar.map_or(Scalar::Secret, |(scalar, _)| *scalar);
        NodeOutput {
            key: self.bytes.string(self.bytes.word(at + output::KEY)),
            kind: match kind & output::LIST {
                0 => OutputType::One(scalar),
                _ => OutputType::List(scalar),
            },
            fixed: self.bytes.byte(at + output::FIXED) != 0,
            from: numbers(self.bytes, at + output::FROM),
        }
    }

    /// What must be so for it to be up.
    pub fn conditions(self) -> impl ExactSizeIterator<Item = (NodeCondition<'d>, bool)> + use<'d> {
        let (start, end) = self.span(CONDITIONS);
        (start..end).map(move |row| self.condition_at(row))
    }

    /// The condition at this position, and whether it is negated.
    #[must_use]
    #[inline(never)]
    pub fn condition(self, position: usize) -> Option<(NodeCondition<'d>, bool)> {
        self.row(CONDITIONS, position).map(|row| self.condition_at(row))
    }

    #[inline(never)]
    fn condition_at(self, row: usize) -> (NodeCondition<'d>, bool) {
        let at = self.bytes.row(Table::Conditions, row);
        let flags = self.bytes.byte(at + condition::FLAGS);
        let what = if flags & condition::OUTPUT == 0 {
            NodeCondition::World
        } else {
            let value = self.bytes.word(at + condition::VALUE);
            let value = (flags & condition::EQUALS != 0).then(|| self.bytes.string(value));
            NodeCondition::Output(self.bytes.half(at + condition::READ), value)
        };
        (what, flags & condition::NEGATED != 0)
    }

    /// What is never up beside it.
    pub fn conflicts(self) -> impl ExactSizeIterator<Item = ServiceId> + use<'d> {
        let (start, end) = self.span(CONFLICTS);
        (start..end).map(move |row| ServiceId(self.bytes.half_in(Table::Conflicts, row)))
    }

    /// One of those that are never up beside it.
    #[must_use]
    #[inline(never)]
    pub fn conflict(self, position: usize) -> Option<ServiceId> {
        self.row(CONFLICTS, position)
            .map(|row| ServiceId(self.bytes.half_in(Table::Conflicts, row)))
    }

    /// How it takes over its configuration anew.
    #[must_use]
    pub fn reload(self) -> Option<OnChange> {
        self.flag(service::RELOAD).then(|| self.change(self.at + service::RELOAD_CHANGE))
    }

    /// How many programs it has for changes.
    #[must_use]
    pub fn actions(self) -> usize {
        usize::from(self.bytes.half(self.at + service::ACTIONS))
    }

    /// When it is restarted.
    #[must_use]
    pub fn restart(self) -> Restart {
        let number = self.bytes.byte(self.policy() + policy::RESTART);
        RESTARTS.get(usize::from(number)).copied().unwrap_or(Restart::Never)
    }

    /// The delays between attempts.
    #[must_use]
    pub fn backoff(self) -> Backoff {
        Backoff { min: self.millis(policy::BACKOFF_MIN), max: self.millis(policy::BACKOFF_MAX) }
    }

    /// After how many failed attempts in a row it is failed for good; 0: never.
    #[must_use]
    pub fn max_restarts(self) -> u32 {
        self.bytes.word(self.policy() + policy::MAX_RESTARTS)
    }

    /// From the spawn to readiness, at most.
    #[must_use]
    pub fn start_timeout(self) -> Option<Millis> {
        self.has(policy::HAS_START).then(|| self.millis(policy::START))
    }

    /// How its process is asked to end.
    #[must_use]
    #[inline(never)]
    pub fn stop(self) -> StopPolicy {
        let number = self.bytes.byte(self.policy() + policy::SIGNAL);
        StopPolicy { signal: signal(usize::from(number)), grace: self.millis(policy::GRACE) }
    }

    /// The bound of `finish`.
    #[must_use]
    pub fn finish_timeout(self) -> Millis {
        self.millis(policy::FINISH)
    }

    /// The bound of a program for a change.
    #[must_use]
    pub fn action_timeout(self) -> Millis {
        self.millis(policy::ACTION)
    }

    /// Exit codes that mean that another attempt is of no use.
    #[must_use]
    pub fn permanent(self) -> Numbers<'d> {
        numbers(self.bytes, self.policy() + policy::PERMANENT)
    }

    /// What happens besides when it is failed for good.
    #[must_use]
    pub fn on_failure(self) -> OnFailure {
        let at = self.policy();
        match self.bytes.byte(at + policy::ON_FAILURE) {
            tag::FAILURE_REBOOT => OnFailure::Reboot,
            tag::FAILURE_RESCUE => OnFailure::Rescue,
            tag::FAILURE_START => OnFailure::Start(ServiceId(self.bytes.half(at + policy::STARTS))),
            _ => OnFailure::Ignore,
        }
    }

    /// How its health is checked.
    #[must_use]
    pub fn health(self) -> Option<Checkup> {
        self.has(policy::HAS_HEALTH).then(|| Checkup {
            every: self.millis(policy::HEALTH_EVERY),
            timeout: self.millis(policy::HEALTH_TIMEOUT),
            retries: self.bytes.word(self.policy() + policy::HEALTH_RETRIES).max(1),
        })
    }

    /// How often it has to say that it still works.
    #[must_use]
    pub fn watchdog(self) -> Option<Millis> {
        self.has(policy::HAS_WATCHDOG).then(|| self.millis(policy::WATCHDOG))
    }

    /// The members of a bundle.
    pub fn members(self) -> impl Iterator<Item = Edge> + use<'d> {
        self.edges().filter(|edge| edge.relation == Relation::Member)
    }

    /// The alternatives of a failover with the positions of their edges, the preferred first.
    pub fn alternatives(self) -> impl Iterator<Item = (u16, ServiceId)> + use<'d> {
        let edges = (0u16..).zip(self.edges());
        let edges = edges.filter(|(_, edge)| edge.relation == Relation::Alternative);
        edges.map(|(position, edge)| (position, edge.to))
    }

    /// Whether the loss of what `edge` points to stops this node.
    #[must_use]
    pub fn is_hard(self, edge: Edge) -> bool {
        edge.relation == Relation::Needs && edge.on_change == OnChange::Restart
    }
}

/// The list that a row points to: where it begins, u32, and its length, u16.
fn numbers(bytes: &Bytes, at: usize) -> Numbers<'_> {
    let (start, length) = (bytes.word(at) as usize, usize::from(bytes.half(at + 4)));
    Numbers { bytes, start, length }
}

fn signal(number: usize) -> Signal {
    Signal::ALL.get(number).copied().unwrap_or(Signal::Term)
}
