//! What instances give for parameters: outputs must be of the parameter's type, services must exist.

use super::{
    Names,
    own::fits,
    refs::{References, Target, shown},
};
use crate::{
    diag::{Code, Diagnostic},
    template::{Binding, Given, Kind, Word},
    text::Reference,
};
use rc::outputs::{OutputType, Scalar};

/// Reports what does not fit.
pub(super) fn check(names: &Names<'_>, bindings: &[Binding]) {
    for binding in bindings {
        match &binding.given {
            Given::Output(reference) => output(names, binding, reference),
            Given::Service(name) => {
                let _found = names.find(name);
            }
        }
    }
}

fn output(names: &Names<'_>, binding: &Binding, reference: &Reference) {
    // Any service will do, as the reference is not to one's own output.
    let Some(found) = References::new(names, 0).target(reference) else { return };
    let (Target::Own(_, output) | Target::Other(_, _, output)) = found;
    let Word::Value(wanted) = binding.kind.word() else { return };
    let kind = match reference.index {
        Some(_) => OutputType::One(output.kind.scalar()),
        None => output.kind,
    };
    let shapes_fit = matches!(kind, OutputType::List(_)) == matches!(binding.kind, Kind::List(_));
    let secrets_fit = kind.is_secret() == (wanted == Scalar::Secret);
    if shapes_fit && secrets_fit && fits(kind.scalar(), wanted) {
        return;
    }
    let (param, template) = (&binding.param, &binding.template);
    let given = shown(reference);
    let message = format!(
        "`{}` of template `{template}` takes {}, but `{given}` is {kind}",
        param.value, binding.kind
    );
    let code = if secrets_fit { Code::Parameter } else { Code::Secret };
    let mut error = Diagnostic::error(code, reference.place, message)
        .related(output.key.place, "declared here")
        .related(param.place, "the parameter");
    if !secrets_fit && kind.is_secret() {
        error = error.help(
            "what the template does with it could show it to others: let the template declare the \
             parameter as `secret`",
        );
    } else if !secrets_fit {
        error = error
            .help("everybody may read this output; declare it as `secret` where it is published");
    } else if matches!(kind, OutputType::List(_)) && !matches!(binding.kind, Kind::List(_)) {
        error = error.help(format!("take one element, such as `${{{given}.0}}`"));
    }
    names.report.push(error);
}
