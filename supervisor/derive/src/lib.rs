//! `#[derive(Coded)]`: what `supervisor::coder::Coded` asks of a struct or enum, one field after another.
//!
//! It runs in the compiler and never on the device. It understands what jamb's types are made of: named and
//! numbered fields, and variants of them. Generics, attributes that change anything and values for variants
//! it does not; whoever needs them is told by the compiler, as what is written here does not fit then.

extern crate proc_macro;

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// A field: its name or number, and its type.
type Field = (String, String);

/// See the first lines of this file.
#[proc_macro_derive(Coded)]
pub fn coded(input: TokenStream) -> TokenStream {
    let mut words = Vec::new();
    let mut body = None;
    for token in plain(input) {
        match token {
            TokenTree::Group(group) => body = Some(group),
            token => words.push(token.to_string()),
        }
    }
    let text = match (words.as_slice(), &body) {
        ([kind, name, ..], Some(body)) if kind == "struct" => of_struct(name, &fields(body)),
        ([kind, name], Some(body)) if kind == "enum" => of_enum(name, body),
        _ => "compile_error!(\"Coded is for structs with fields and for enums\");".to_owned(),
    };
    text.parse().unwrap_or_default()
}

/// Without attributes and without who may see it.
fn plain(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let text = token.to_string();
        if text == "#" {
            tokens.next();
        } else if text == "pub" {
            tokens.next_if(
                |next| matches!(next, TokenTree::Group(group) if is_in_parentheses(group)),
            );
        } else {
            kept.push(token);
        }
    }
    kept
}

fn is_in_parentheses(group: &Group) -> bool {
    group.delimiter() == Delimiter::Parenthesis
}

/// What is between the commas, but for those in `<>`.
fn parts(group: &Group) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    let mut depth = 0;
    for token in plain(group.stream()) {
        match token.to_string().as_str() {
            "<" => depth += 1,
            ">" => depth -= 1,
            "," if depth == 0 => {
                parts.push(Vec::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().into_iter().for_each(|last| last.push(token.clone()));
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn fields(group: &Group) -> Vec<Field> {
    let text = |tokens: &[TokenTree]| tokens.iter().cloned().collect::<TokenStream>().to_string();
    let numbered = is_in_parentheses(group);
    let field = |(number, part): (usize, &Vec<TokenTree>)| match part.as_slice() {
        [name, _colon, kind @ ..] if !numbered => (name.to_string(), text(kind)),
        kind => (number.to_string(), text(kind)),
    };
    parts(group).iter().enumerate().map(field).collect()
}

const CODED: &str = "::supervisor::coder::Coded";
const CODER: &str = "&mut ::supervisor::coder::Coder<'_>";
const SHAPES: &str = "&mut ::supervisor::coder::Shapes";

fn implementation(name: &str, blank: &str, code: &str, shape: &str) -> String {
    format!(
        "#[automatically_derived] impl {CODED} for {name} {{
            fn blank() -> Self {{ {blank} }}
            fn code(&mut self, coder: {CODER}) {{ {code} }}
            fn shape(shapes: {SHAPES}) -> ::std::string::String {{ {shape} }}
        }}"
    )
}

/// Blank fields, in braces.
fn blank(fields: &[Field]) -> String {
    let all = fields.iter().map(|(field, _)| format!("{field}: {CODED}::blank(),"));
    format!("{{ {} }}", all.collect::<String>())
}

/// Names and shapes of fields.
fn shapes(fields: &[Field]) -> String {
    let all =
        fields.iter().map(|(field, kind)| format!("(\"{field}\", <{kind} as {CODED}>::shape),"));
    format!("&[{}]", all.collect::<String>())
}

fn of_struct(name: &str, fields: &[Field]) -> String {
    let code = fields.iter().map(|(field, _)| format!("{CODED}::code(&mut self.{field}, coder);"));
    implementation(
        name,
        &format!("Self {}", blank(fields)),
        &code.collect::<String>(),
        &format!("shapes.of_struct(\"{name}\", {})", shapes(fields)),
    )
}

fn of_enum(name: &str, body: &Group) -> String {
    let mut variants = Vec::new();
    for part in parts(body) {
        match part.as_slice() {
            [variant, TokenTree::Group(group)] => {
                variants.push((variant.to_string(), fields(group)));
            }
            [variant, ..] => variants.push((variant.to_string(), Vec::new())),
            [] => {}
        }
    }
    let count = variants.len();
    if count > 128 {
        return "compile_error!(\"the number of a variant is one byte\");".to_owned();
    }
    let is_plain = variants.iter().all(|(_, fields)| fields.is_empty());
    let (mut numbers, mut blanks, mut codes, mut told) =
        <(String, String, String, String)>::default();
    for (number, (variant, fields)) in variants.iter().enumerate() {
        numbers.push_str(&format!("Self::{variant} {{ .. }} => {number}u32,"));
        // What is no number of a variant is the first one, as the compiler wants an answer for all.
        let chosen = if number == 0 { "_".to_owned() } else { number.to_string() };
        blanks.insert_str(0, &format!("{chosen} => Self::{variant} {},", blank(fields)));
        let names = fields.iter().map(|(field, _)| format!("{field}: field_{field},"));
        let code = fields.iter().map(|(field, _)| format!("{CODED}::code(field_{field}, coder);"));
        let (names, code) = (names.collect::<String>(), code.collect::<String>());
        codes.push_str(&format!("Self::{variant} {{ {names} }} => {{ {code} }}"));
        told.push_str(&format!("(\"{variant}\", {}),", shapes(fields)));
    }
    let first =
        variants.first().map(|(variant, fields)| format!("Self::{variant} {}", blank(fields)));
    let choose = format!(
        "let number = match self {{ {numbers} }};
        let chosen = coder.choice(number, {count});"
    );
    let code = if is_plain {
        format!("{choose} *self = match chosen {{ {blanks} }};")
    } else {
        format!(
            "{choose} if chosen != number {{ *self = match chosen {{ {blanks} }}; }}
            match self {{ {codes} }}"
        )
    };
    implementation(
        name,
        &first.unwrap_or_default(),
        &code,
        &format!("shapes.of_enum(\"{name}\", &[{told}])"),
    )
}
