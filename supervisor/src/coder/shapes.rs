//! What types are made of, as text: the names and shapes of their fields and variants. Two versions whose
//! texts are equal read each other's bytes. For the host and for tests; nothing on the device asks.

use std::collections::BTreeMap;

/// Tells the shape of a type and adds it to what is known.
type Shape = fn(&mut Shapes) -> String;

/// The types that were seen.
#[derive(Default)]
pub struct Shapes {
    /// Structs, enums and variants by name: the names of their parts and how these are written.
    pub known: BTreeMap<String, String>,
}

impl Shapes {
    /// A struct with these fields; those of a tuple are called by their numbers.
    pub fn of_struct(&mut self, name: &str, fields: &[(&str, Shape)]) -> String {
        if let [("0", only)] = fields {
            return format!("{name}({})", only(self));
        }
        if !self.known.contains_key(name) {
            // First, as it may be a part of itself.
            self.known.insert(name.to_owned(), String::new());
            let told = self.told(fields);
            self.known.insert(name.to_owned(), told);
        }
        format!("{name} ")
    }

    /// An enum with these variants and their fields.
    pub fn of_enum(&mut self, name: &str, variants: &[(&str, &[(&str, Shape)])]) -> String {
        if !self.known.contains_key(name) {
            let names: Vec<&str> = variants.iter().map(|(variant, _)| *variant).collect();
            self.known.insert(name.to_owned(), format!("{names:?}"));
            for (variant, fields) in variants.iter().filter(|(_, fields)| !fields.is_empty()) {
                let told = self.told(fields);
                self.known.insert(format!("{name}::{variant}"), told);
            }
        }
        format!("{name} ")
    }

    fn told(&mut self, fields: &[(&str, Shape)]) -> String {
        let told: String = fields.iter().map(|(_, shape)| shape(self)).collect();
        let names: Vec<&str> = fields.iter().map(|(field, _)| *field).collect();
        if names.first() == Some(&"0") { told } else { format!("{names:?} {told}") }
    }
}
