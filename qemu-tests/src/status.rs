//! `svc status --json` of a running machine.

use crate::ssh::Ssh;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One service, as far as tests look at it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// `longrun`, `oneshot`, `bundle` or `file`.
    pub kind: String,
    /// Its state.
    pub state: String,
    /// Its process, if it has one.
    pub pid: Option<u32>,
    /// How often it was started.
    pub generation: u32,
    /// What it waits for.
    pub waiting_on: Vec<String>,
}

/// All services, by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status(BTreeMap<String, Service>);

#[derive(Deserialize)]
struct Document {
    services: Vec<Service>,
}

impl Status {
    /// Asks.
    ///
    /// # Errors
    /// There is no connection, or the answer is not as documented.
    pub fn of(ssh: &Ssh) -> Result<Self> {
        let text = ssh.must("svc status --json")?;
        let document: Document = serde_json::from_str(&text)
            .with_context(|| format!("svc status --json printed {text}"))?;
        let services = document.services.into_iter();
        Ok(Self(services.map(|service| (service.name.clone(), service)).collect()))
    }

    /// One service.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn service(&self, name: &str) -> Result<&Service> {
        self.0.get(name).with_context(|| format!("svc status shows no {name}"))
    }

    /// All of them.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.0.values()
    }

    /// The names of those that were started, or whose process is another one, since `before`.
    #[must_use]
    pub fn restarted_since(&self, before: &Self) -> Vec<&str> {
        let is_other = |service: &&Service| {
            let old = before.0.get(&service.name);
            old.is_none_or(|old| (old.generation, old.pid) != (service.generation, service.pid))
        };
        self.services().filter(is_other).map(|service| service.name.as_str()).collect()
    }
}
