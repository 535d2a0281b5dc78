//! What a service does about changes and its own failure, with numbered programs and services.

use super::{command, refs::References};
use crate::{
    definition::{Action, Body, Definition, OnFailure},
    diag::{Code, Diagnostic},
    source::Located,
};
use rc::model::{self, Command, OnChange};

/// The actions of one service.
#[derive(Clone, Debug, Default)]
pub(super) struct Actions {
    /// The programs that [`OnChange::Run`] points to.
    pub(super) commands: Vec<Command>,
    /// What a reload does.
    pub(super) reload: Option<OnChange>,
    /// For all edges.
    pub(super) general: Option<OnChange>,
    /// For single edges, in the order of [`Definition::on_change_of`].
    pub(super) of: Vec<OnChange>,
}

impl Actions {
    /// Links `reload` and `on-change`. What does not fit the service is reported.
    pub(super) fn new(references: &mut References<'_>, definition: &Definition) -> Self {
        let mut actions = Self::default();
        if let Some(reload) = &definition.reload {
            actions.reload = actions.one(references, definition, reload);
        }
        if let Some(general) = &definition.on_change {
            actions.general = actions.one(references, definition, general);
        }
        for (_, action) in &definition.on_change_of {
            let found = actions.one(references, definition, action);
            actions.of.push(found.unwrap_or(OnChange::Restart));
        }
        actions
    }

    fn one(
        &mut self,
        references: &mut References<'_>,
        definition: &Definition,
        action: &Located<Action>,
    ) -> Option<OnChange> {
        if let Some((message, help)) = unfit(definition, &action.value) {
            let error = Diagnostic::error(Code::OnChange, action.place, message).help(help);
            references.report().push(error);
            return None;
        }
        Some(match &action.value {
            Action::Restart => OnChange::Restart,
            Action::Render => OnChange::Render,
            Action::Ignore => OnChange::Ignore,
            Action::Signal(signal) => OnChange::Signal(*signal),
            Action::Reload => self.reload?,
            Action::Run(argv) => {
                let command = command(references, argv);
                let known = self.commands.iter().position(|other| *other == command);
                let number = known.unwrap_or_else(|| {
                    self.commands.push(command);
                    self.commands.len() - 1
                });
                OnChange::Run(u16::try_from(number).ok()?)
            }
        })
    }
}

/// Why a service cannot do this, and what could be done instead.
fn unfit(definition: &Definition, action: &Action) -> Option<(String, &'static str)> {
    let (kind, body) = (definition.kind(), &definition.body);
    match (action, body) {
        (_, Body::Unknown)
        | (Action::Restart | Action::Ignore, _)
        | (Action::Render, Body::File { .. })
        | (Action::Signal(_), Body::Longrun { .. })
        | (Action::Run(_), Body::Longrun { .. } | Body::Oneshot { .. }) => None,
        (Action::Reload, Body::Longrun { .. } | Body::Oneshot { .. }) => {
            let help = "add `reload = \"signal HUP\"` or `reload = [\"PROGRAM\"]` to it";
            let message = || format!("`{}` does not say how it reloads", definition.name.value);
            definition.reload.is_none().then(|| (message(), help))
        }
        (Action::Render, _) => Some((format!("a {kind} cannot be rendered"), "only a file can")),
        (Action::Signal(_), Body::Oneshot { .. }) => Some((
            "a oneshot has no process to signal".to_owned(),
            "only a longrun has; a oneshot can run a program: `{ run = [\"PROGRAM\"] }`",
        )),
        (Action::Signal(_), _) => {
            Some((format!("a {kind} has no process to signal"), "only a longrun has"))
        }
        (Action::Run(_) | Action::Reload, _) => Some((
            format!("a {kind} runs no programs"),
            "only longruns and oneshots do; put it into one that needs this service",
        )),
    }
}

/// Links `on-failure`.
pub(super) fn on_failure(references: &References<'_>, definition: &Definition) -> model::OnFailure {
    let Some(Located { value, .. }) = &definition.on_failure else {
        return model::OnFailure::Ignore;
    };
    match value {
        OnFailure::Ignore => model::OnFailure::Ignore,
        OnFailure::Reboot => model::OnFailure::Reboot,
        OnFailure::Rescue => model::OnFailure::Rescue,
        OnFailure::Start(name) if name.value == definition.name.value => {
            let message = format!("`{}` would start itself after it failed", name.value);
            references.report().push(
                Diagnostic::error(Code::Contradiction, name.place, message)
                    .help("name another service; attempts of its own are what `restart` is for"),
            );
            model::OnFailure::Ignore
        }
        OnFailure::Start(name) => match references.names.find(name) {
            Some(id) => model::OnFailure::Start(id),
            None => model::OnFailure::Ignore,
        },
    }
}
