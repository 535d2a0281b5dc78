//! What follows from the definitions of services and is computed once, where they are compiled: who
//! depends on whom, an order in which everything comes behind what it relates to, and which values a
//! service cannot do without.

use crate::{
    model::{Command, Kind, Service},
    text::{EachPiece, Piece, Text},
};

/// Who relates to each service, and the position of the edge; ascending. Edges that point nowhere are
/// left out.
pub(super) fn dependents(services: &[(String, Service)]) -> Vec<Vec<(u16, u16)>> {
    let mut all = vec![Vec::new(); services.len()];
    for (id, (_, service)) in (0u16..).zip(services) {
        for (position, edge) in (0u16..).zip(&service.edges) {
            if let Some(those) = all.get_mut(edge.to.index()) {
                those.push((id, position));
            }
        }
    }
    all
}

/// Takes services without dependencies that were not taken before, until none is left (Kahn). What then
/// remains lies on a cycle or behind one, and follows as it comes.
pub(super) fn order(services: &[(String, Service)], dependents: &[Vec<(u16, u16)>]) -> Vec<u16> {
    let mut open: Vec<usize> = services.iter().map(|(_, service)| service.edges.len()).collect();
    let ids = || (0u16..).zip(services).map(|(id, _)| id);
    let mut order: Vec<u16> = ids().filter(|id| open[usize::from(*id)] == 0).collect();
    let mut next = 0;
    while let Some(id) = order.get(next) {
        next += 1;
        for (dependent, _) in &dependents[usize::from(*id)] {
            let left = &mut open[usize::from(*dependent)];
            *left -= 1;
            if *left == 0 {
                order.push(*dependent);
            }
        }
    }
    order.extend(ids().filter(|id| open[usize::from(*id)] > 0));
    order
}

/// Whether some text of the service fails without the read at `position`.
pub(super) fn requires(service: &Service, position: u16) -> bool {
    let needs = |text: &Text| text.iter().any(|piece| piece_requires(piece, position));
    let commands: &[Option<&Command>] = match &service.kind {
        Kind::Longrun(run) => &[Some(&run.run), run.finish.as_ref()],
        Kind::Oneshot(shot) => &[shot.up.as_ref(), shot.down.as_ref()],
        Kind::Bundle(_) | Kind::Failover(_) | Kind::File(_) => &[],
    };
    commands.iter().flatten().any(|command| command.argv.iter().any(needs))
        || matches!(&service.kind, Kind::File(file) if needs(&file.text))
        || service.exec.env.iter().any(|(_, text)| needs(text))
        || service.outputs.iter().filter_map(|output| output.value.as_ref()).any(needs)
}

fn piece_requires(piece: &Piece, position: u16) -> bool {
    match piece {
        Piece::Literal(_) => false,
        Piece::Value { read, default, .. } => *read == position && default.is_none(),
        Piece::Each { read, body } => {
            *read == position
                || body.iter().any(|part| match part {
                    EachPiece::Value { read, default, .. } => {
                        *read == position && default.is_none()
                    }
                    EachPiece::Literal(_) | EachPiece::Item => false,
                })
        }
    }
}
