//! Types that definitions leave out: `outputs.KEY = "${svc.key}"` of a bundle has the type of what it
//! refers to, which may be such an output again.

use crate::{
    definition::{Definitions, Output},
    text::{Draft, Part, Reference},
};
use rc::outputs::OutputType;
use std::collections::HashMap;

/// The output that a derived one refers to, if its value is one reference.
fn source(draft: Option<&Draft>) -> Option<&Reference> {
    match draft?.parts.as_slice() {
        [Part::Reference(reference)] => Some(reference),
        _ => None,
    }
}

/// Gives every derived output its type. One that refers to nothing, or to itself over others, keeps
/// the type it has: that it does so is reported where references are linked.
pub fn derive(definitions: &mut Definitions) {
    let services = &definitions.services;
    let numbers: HashMap<&str, usize> =
        services.iter().enumerate().map(|(at, one)| (one.name.value.as_str(), at)).collect();
    let follow = |index: usize, output: &Output| -> Option<OutputType> {
        let (mut index, mut output, mut element) = (index, output, false);
        // More steps than services are a circle.
        for _ in 0..=services.len() {
            if !output.derived {
                let kind = output.kind;
                return Some(if element { OutputType::One(kind.scalar()) } else { kind });
            }
            let reference = source(output.value.as_ref())?;
            element |= reference.index.is_some();
            let name = reference.service.value.as_str();
            index = if name == "self" { index } else { *numbers.get(name)? };
            output = services.get(index)?.output(&reference.key.value)?.1;
        }
        None
    };
    let mut found = Vec::new();
    for (index, service) in services.iter().enumerate() {
        for (position, output) in service.outputs.iter().enumerate() {
            if output.derived
                && let Some(kind) = follow(index, output)
            {
                found.push((index, position, kind));
            }
        }
    }
    for (index, position, kind) in found {
        definitions.services[index].outputs[position].kind = kind;
    }
}
