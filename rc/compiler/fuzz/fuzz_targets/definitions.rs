//! Bytes as a definition file: the compiler says what is wrong or writes a database that a device loads, which
//! is shown as definitions of the same bytes; and the one form of `jambc fmt` means the same.

#![no_main]

use jambc::{
    compile_sources,
    diag::Severity,
    render,
    show::{self, Decoded},
    source::Sources,
    tool::{
        diff::{Side, compare, human},
        fmt,
        graph::{Graph, Lines, dot},
    },
};
use libfuzzer_sys::fuzz_target;
use rc::db::Database;

fn compiled(definitions: &[u8]) -> Option<Vec<u8>> {
    let mut sources = Sources::default();
    let file = sources.add("x.toml".to_owned(), definitions);
    let outcome = compile_sources(sources, &[file], None, None).expect("no system error");
    let errors = outcome.found.iter().any(|one| one.severity == Severity::Error);
    assert_eq!(outcome.database.is_none(), errors);
    render::human(&outcome.sources, &outcome.found, false);
    render::short(&outcome.sources, &outcome.found);
    render::json(&outcome.sources, &outcome.found);
    outcome.database
}

fuzz_target!(|definitions: &[u8]| {
    let bytes = compiled(definitions);
    if let Ok(text) = std::str::from_utf8(definitions) {
        match fmt::format(text) {
            Ok(formed) => {
                assert_eq!(compiled(formed.as_bytes()), bytes);
                assert_eq!(fmt::format(&formed).as_ref(), Ok(&formed));
            }
            Err(fmt::FmtError::Unsafe) => panic!("cannot be formatted"),
            Err(fmt::FmtError::Syntax(..)) => {}
        }
    }
    let Some(bytes) = bytes else { return };
    let database = Database::new(bytes.clone()).expect("it was just written");
    let shown = show::toml(&Decoded::new(&database).expect("decodes"), None).expect("decodes");
    assert_eq!(compiled(shown.as_bytes()), Some(bytes));
    let side = Side::new(&database).expect("decodes");
    assert!(compare(&side, &side).is_equal);
    human(&compare(&side, &side));
    dot(&Graph::new(&database, Lines::All).expect("decodes"));
});
