//! The language as a JSON Schema (draft 2020-12), for editors that complete and check TOML or JSON.
//!
//! A schema knows less than the compiler: it checks keys and the form of values, but no names. What it
//! refuses the compiler refuses too, except in strings with a `{{…}}`, which it leaves alone.

use crate::fields::{Absent, FILE, Field, Form, Kinds, SERVICE, SHAPES, Shape, TEMPLATE, Type};
use serde_json::{Map, Value, json};

/// The schema of a file of definitions.
#[must_use]
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for shape in SHAPES {
        definitions.insert(shape.name.to_owned(), table(shape));
    }
    if let Some(service) = definitions.get_mut(SERVICE.name) {
        service["allOf"] = Value::Array(Kinds::WORDS.iter().map(of_kind).collect());
        // An instance has the kind of its template, a layer that of what it overrides.
        if let Some(service) = service.as_object_mut() {
            service.remove("required");
        }
        let ways = ["kind", "template", "override", "remove"];
        service["anyOf"] = ways.iter().map(|key| json!({ "required": [key] })).collect();
    }
    // A template has the keys of a service, too.
    let services = definitions.get(SERVICE.name).map(|service| service["properties"].clone());
    if let (Some(template), Some(Value::Object(services))) =
        (definitions.get_mut(TEMPLATE.name), services)
        && let Some(properties) = template["properties"].as_object_mut()
    {
        for (key, value) in services {
            properties.entry(key).or_insert(value);
        }
    }
    let mut root = definitions.remove(FILE.name).unwrap_or_default();
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("definitions of services for jambc");
    root["$defs"] = Value::Object(definitions);
    root
}

/// A table with all its keys. Of services some keys go with some kinds only; see [`of_kind`].
fn table(shape: &Shape) -> Value {
    let mut properties = Map::new();
    for field in shape.fields {
        properties.insert(field.key.to_owned(), property(field));
    }
    let required = |field: &&Field| field.default == Absent::Required && field.of == Kinds::ALL;
    let required: Vec<&str> = shape.fields.iter().filter(required).map(|field| field.key).collect();
    let mut object = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": shape.fields.is_empty(),
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// What holds for services of one kind.
fn of_kind((word, kind): &(&'static str, Kinds)) -> Value {
    let keys: Vec<&str> = SERVICE.keys(*kind).collect();
    let required = SERVICE.fields.iter().filter(|field| field.of.has(*kind));
    let required = required.filter(|field| field.default == Absent::Required);
    let required: Vec<&str> = required.map(|field| field.key).collect();
    json!({
        "if": { "properties": { "kind": { "const": word } }, "required": ["kind"] },
        "then": {
            "propertyNames": { "enum": keys },
            "anyOf": [{ "required": required }, { "required": ["override"] }],
        },
    })
}

fn property(field: &Field) -> Value {
    let mut value = of_type(&field.value);
    let mut description = field.doc.to_owned();
    if let Absent::Is(default) = field.default {
        description.push_str(&format!("\n\nDefault: {default}"));
    }
    if field.of != Kinds::ALL {
        let kinds: Vec<&str> = field.of.words().collect();
        description.push_str(&format!("\n\nFor: {}", kinds.join(", ")));
    }
    value["description"] = json!(description);
    value
}

fn of_type(kind: &Type) -> Value {
    match kind {
        Type::String(form) => string(*form),
        Type::Words(words) => json!({ "anyOf": [{ "enum": words() }, supplied()] }),
        Type::Integer(min, max) => json!({
            "anyOf": [{ "type": "integer", "minimum": min, "maximum": max }, supplied()],
        }),
        Type::Boolean => json!({ "anyOf": [{ "type": "boolean" }, supplied()] }),
        Type::List(inner) => {
            json!({ "anyOf": [{ "type": "array", "items": of_type(inner) }, supplied()] })
        }
        Type::Command => json!({
            "anyOf": [
                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                supplied(),
            ],
        }),
        Type::Map(inner) => json!({ "type": "object", "additionalProperties": of_type(inner) }),
        Type::Table(shape) => json!({ "$ref": format!("#/$defs/{}", shape.name) }),
        Type::Any(types) => {
            json!({ "anyOf": types.iter().map(of_type).collect::<Vec<_>>() })
        }
        Type::Free => json!({}),
    }
}

fn string(form: Form) -> Value {
    match form.pattern() {
        None => json!({ "type": "string" }),
        Some(pattern) => json!({ "type": "string", "pattern": pattern }),
    }
}

/// A value that the board or a parameter supplies.
fn supplied() -> Value {
    json!({ "type": "string", "pattern": "^\\{\\{[^{}]*\\}\\}$" })
}
