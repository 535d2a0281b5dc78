//! `jambc explain`.

use super::{
    Done, NO,
    out::{complain, say},
};
use jambc::{
    diag::{Code, nearest},
    tool::explain,
};
use std::process::ExitCode;

/// Prints the explanation of a code, or the list of all.
///
/// # Errors
/// If standard output cannot be written.
pub fn explain(code: Option<&str>) -> Done {
    let Some(wanted) = code else {
        say(&explain::list())?;
        return Ok(ExitCode::SUCCESS);
    };
    let wanted = wanted.to_ascii_uppercase();
    let found = Code::ALL.iter().find(|code| code.name() == wanted);
    let Some(found) = found.and_then(|code| explain::explanation(*code)) else {
        let near = nearest(&wanted, Code::ALL.iter().map(|code| code.name()));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        complain(&format!("jambc: there is no code {wanted}{near} (jambc explain lists all)"));
        return Ok(ExitCode::from(NO));
    };
    say(&found.text)?;
    Ok(ExitCode::SUCCESS)
}
