//! The fixed half of the engine: who relates to whom, taken from the records of a database once.
//!
//! Commands and texts stay in the database; a node keeps only what decisions need. A graph that
//! points outside itself or has a cycle is refused here, so nothing later has to look for one.

use crate::{
    db::{self, Database},
    model::{
        Condition, Edge, Fact, Failover, Kind, OnChange, OnFailure, Policy, Ready, ReadyWhen,
        Relation, Service, ServiceId, System,
    },
    outputs::OutputType,
    text::{EachPiece, Piece, Text},
};
use core::fmt;
use supervisor::time::Millis;

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
#[derive(Clone, Copy, Debug)]
pub struct NodeRead {
    /// The service that publishes it.
    pub service: ServiceId,
    /// Its position among that service's outputs.
    pub output: u16,
    /// Whether some text cannot do without it.
    pub required: bool,
}

/// An output that a node declares.
#[derive(Clone, Debug)]
pub struct NodeOutput {
    /// Its name.
    pub key: String,
    /// Its type.
    pub kind: OutputType,
    /// What jamb publishes for it, if the service does not do so itself.
    pub fixed: Option<Text>,
    /// Of failovers: the reads whose values it has, by alternative.
    pub from: Vec<u16>,
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

/// One service as the engine sees it.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it does.
    pub kind: NodeKind,
    /// Whether a finish program runs after each death.
    pub finish: bool,
    /// Times and retries.
    pub policy: Policy,
    /// What it relates to.
    pub edges: Vec<Edge>,
    /// Who relates to it: the other service and the position of its edge.
    pub dependents: Vec<(ServiceId, u16)>,
    /// What it reads, in the order of [`Service::reads`].
    pub reads: Vec<NodeRead>,
    /// What it publishes, in the order of [`Service::outputs`].
    pub outputs: Vec<NodeOutput>,
    /// What must be so for it to be up.
    pub conditions: Vec<Condition>,
    /// What is never up beside it.
    pub conflicts: Vec<ServiceId>,
    /// How its health is checked.
    pub health: Option<Checkup>,
    /// How it takes over its configuration anew.
    pub reload: Option<OnChange>,
    /// How many programs it has for that.
    pub actions: usize,
    /// How often it has to say that it still works.
    pub watchdog: Option<Millis>,
    /// Its place in an order in which everything that it relates to comes before it.
    pub(super) rank: u16,
}

/// All nodes, checked.
#[derive(Clone, Debug)]
pub struct Graph {
    /// By service number.
    pub nodes: Vec<Node>,
    /// The system record.
    pub system: System,
    /// The services by rank.
    pub(super) order: Vec<ServiceId>,
}

/// Why no engine can be made from a database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// The database itself.
    Database(db::Error),
    /// A service refers to a service or output that does not exist.
    Dangling(ServiceId),
    /// A service depends on itself over others.
    Cycle(ServiceId),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Dangling(id) => write!(f, "service {} refers to nothing", id.0),
            Self::Cycle(id) => write!(f, "service {} depends on itself", id.0),
        }
    }
}

impl Graph {
    /// One without services, for [`Database::empty`].
    #[must_use]
    pub fn empty() -> Self {
        Self { nodes: Vec::new(), system: System::default(), order: Vec::new() }
    }

    /// Decodes every record once and keeps what decisions need.
    ///
    /// # Errors
    /// If a record cannot be decoded, a number points nowhere, or the relations have a cycle.
    pub fn load(database: &Database) -> Result<Self, LoadError> {
        let mut nodes = Vec::with_capacity(database.len());
        for id in database.ids() {
            let service = database.service(id).map_err(LoadError::Database)?;
            nodes.push(Node::new(service));
        }
        let system = database.system().map_err(LoadError::Database)?;
        Self::link(nodes, system)
    }

    fn link(mut nodes: Vec<Node>, system: System) -> Result<Self, LoadError> {
        let count = nodes.len();
        for index in 0..count {
            let id = id_of(index);
            for position in 0..nodes[index].edges.len() {
                let to = nodes[index].edges[position].to.index();
                let edge = u16::try_from(position).map_err(|_| LoadError::Dangling(id))?;
                nodes.get_mut(to).ok_or(LoadError::Dangling(id))?.dependents.push((id, edge));
            }
            let known = |read: &NodeRead| {
                let publisher = nodes.get(read.service.index());
                publisher.is_some_and(|p| usize::from(read.output) < p.outputs.len())
            };
            if !nodes[index].reads.iter().all(known) || !nodes[index].is_whole(count) {
                return Err(LoadError::Dangling(id));
            }
        }
        if system.target.is_some_and(|target| target.index() >= count) {
            return Err(LoadError::Dangling(system.target.unwrap_or_default()));
        }
        let critical = system.watchdog.iter().flat_map(|watchdog| &watchdog.needs);
        if let Some(id) = critical.copied().find(|id| id.index() >= count) {
            return Err(LoadError::Dangling(id));
        }
        let mut graph = Self { nodes, system, order: Vec::with_capacity(count) };
        match graph.sort() {
            Some(id) => Err(LoadError::Cycle(id)),
            None => Ok(graph),
        }
    }

    /// Ranks services without unranked dependencies until none is left (Kahn); what remains lies on
    /// a cycle or behind one, and one of them is the answer.
    fn sort(&mut self) -> Option<ServiceId> {
        let mut open: Vec<usize> = self.nodes.iter().map(|node| node.edges.len()).collect();
        let free = (0..open.len()).filter(|&index| open[index] == 0).map(id_of);
        self.order.extend(free);
        let mut rank = 0;
        while let Some(&id) = self.order.get(usize::from(rank)) {
            self.nodes[id.index()].rank = rank;
            rank += 1;
            for (dependent, _) in &self.nodes[id.index()].dependents {
                let left = &mut open[dependent.index()];
                *left -= 1;
                if *left == 0 {
                    self.order.push(*dependent);
                }
            }
        }
        open.iter().position(|&left| left > 0).map(id_of)
    }
}

/// The number of the service at an index; the bound of the database makes it fit.
pub(super) fn id_of(index: usize) -> ServiceId {
    ServiceId(u16::try_from(index).unwrap_or(u16::MAX))
}

impl Node {
    fn new(service: Service) -> Self {
        let reads = service.reads.iter().enumerate().map(|(position, read)| NodeRead {
            service: read.service,
            output: read.output,
            required: requires(&service, position),
        });
        let reads = reads.collect();
        let members = service.edges.iter().filter(|edge| edge.relation == Relation::Member);
        let members = u16::try_from(members.count()).unwrap_or(u16::MAX);
        let outputs = service.outputs.into_iter();
        let outputs =
            outputs.map(|o| NodeOutput { key: o.key, kind: o.kind, fixed: o.value, from: o.from });
        let watchdog = match &service.kind {
            Kind::Longrun(run) => run.watchdog,
            _ => None,
        };
        let health = service.health.map(|health| Checkup {
            every: health.every,
            timeout: health.timeout,
            retries: health.retries.max(1),
        });
        let (kind, finish, policy) = match service.kind {
            Kind::Longrun(run) => (NodeKind::Longrun(run.ready), run.finish.is_some(), run.policy),
            Kind::Oneshot(shot) => (
                NodeKind::Oneshot { up: shot.up.is_some(), down: shot.down.is_some() },
                false,
                shot.policy,
            ),
            Kind::Bundle(when) => {
                let when = match when {
                    ReadyWhen::AtLeast(need) => ReadyWhen::AtLeast(need.min(members)),
                    ReadyWhen::All => when,
                };
                (NodeKind::Bundle(when), false, Policy::default())
            }
            Kind::Failover(failover) => (NodeKind::Failover(failover), false, Policy::default()),
            Kind::File(_) => (NodeKind::File, false, Policy::default()),
        };
        let mut edges = service.edges;
        if matches!(kind, NodeKind::Bundle(_) | NodeKind::Failover(_)) {
            // A group does not restart because a member has something new: it repeats it.
            let follows = |edge: &&mut Edge| {
                edge.on_change == OnChange::Restart
                    && matches!(edge.relation, Relation::Member | Relation::Alternative)
            };
            edges.iter_mut().filter(follows).for_each(|edge| edge.on_change = OnChange::Follow);
        }
        Self {
            kind,
            finish,
            policy,
            edges,
            dependents: Vec::new(),
            reads,
            outputs: outputs.collect(),
            conditions: service.conditions,
            conflicts: service.conflicts,
            health,
            reload: service.reload,
            actions: service.actions.len(),
            watchdog,
            rank: 0,
        }
    }

    /// Whether every number in it that is not an edge or a read points to something.
    fn is_whole(&self, services: usize) -> bool {
        let is_service = |id: ServiceId| id.index() < services;
        let is_read = |read: &u16| usize::from(*read) < self.reads.len();
        let is_action = |change: OnChange| match change {
            OnChange::Run(number) => usize::from(number) < self.actions,
            _ => true,
        };
        let alternatives = self.alternatives().count();
        self.conflicts.iter().all(|other| is_service(*other))
            && self.conditions.iter().all(|condition| match &condition.fact {
                Fact::Output { read, .. } => is_read(read),
                _ => true,
            })
            && self.edges.iter().all(|edge| is_action(edge.on_change))
            && self.reload.is_none_or(is_action)
            && self.outputs.iter().all(|output| {
                (output.from.is_empty() || output.from.len() == alternatives)
                    && output.from.iter().all(is_read)
            })
            && match self.policy.on_failure {
                OnFailure::Start(other) => is_service(other),
                _ => true,
            }
    }

    /// The members of a bundle.
    pub(super) fn members(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| edge.relation == Relation::Member)
    }

    /// What it needs.
    pub(super) fn needs(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| edge.relation == Relation::Needs)
    }

    /// The alternatives of a failover with the positions of their edges, the preferred first.
    pub(super) fn alternatives(&self) -> impl Iterator<Item = (u16, ServiceId)> {
        let edges = (0u16..).zip(&self.edges);
        let edges = edges.filter(|(_, edge)| edge.relation == Relation::Alternative);
        edges.map(|(position, edge)| (position, edge.to))
    }

    /// Whether it is a group that repeats outputs of its members, and has no process.
    pub(super) const fn is_group(&self) -> bool {
        matches!(self.kind, NodeKind::Bundle(_) | NodeKind::Failover(_))
    }

    /// Whether the loss of what `edge` points to stops this node.
    pub(super) fn is_hard(&self, edge: &Edge) -> bool {
        edge.relation == Relation::Needs && edge.on_change == OnChange::Restart
    }
}

/// Whether some text of the service fails without the read at `position`.
fn requires(service: &Service, position: usize) -> bool {
    let needs = |text: &Text| text.iter().any(|piece| piece_requires(piece, position));
    let commands: &[Option<&crate::model::Command>] = match &service.kind {
        Kind::Longrun(run) => &[Some(&run.run), run.finish.as_ref()],
        Kind::Oneshot(shot) => &[shot.up.as_ref(), shot.down.as_ref()],
        Kind::Bundle(_) | Kind::Failover(_) | Kind::File(_) => &[],
    };
    commands.iter().flatten().any(|command| command.argv.iter().any(needs))
        || matches!(&service.kind, Kind::File(file) if needs(&file.text))
        || service.exec.env.iter().any(|(_, text)| needs(text))
        || service.outputs.iter().filter_map(|output| output.value.as_ref()).any(needs)
}

fn piece_requires(piece: &Piece, position: usize) -> bool {
    let at = |read: u16| usize::from(read) == position;
    match piece {
        Piece::Literal(_) => false,
        Piece::Value { read, default, .. } => at(*read) && default.is_none(),
        Piece::Each { read, body } => {
            at(*read)
                || body.iter().any(|part| match part {
                    EachPiece::Value { read, default, .. } => at(*read) && default.is_none(),
                    EachPiece::Literal(_) | EachPiece::Item => false,
                })
        }
    }
}
