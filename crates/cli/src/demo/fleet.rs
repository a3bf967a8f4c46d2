//! The demo's machines: six processes of their own, asked over HTTP.

use std::process::Stdio;

use holdpoint::activity::{Hosts, Trust};
use reqwest::Client;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::machine::Records;
use crate::failure::Failure;

/// How long a machine takes to change its version, in milliseconds: long enough to be caught in
/// the middle of it.
const DEPLOY_MS: u64 = 700;

/// Running machines. They end when this is dropped, and when the process ends, however it does.
#[derive(Debug)]
pub(crate) struct Fleet {
    client: Client,
    machines: Vec<Machine>,
}

#[derive(Debug)]
struct Machine {
    address: String,
    /// Kept for its standard input: the machine ends when that is closed.
    _process: Child,
}

fn no_machine(reason: impl std::fmt::Display) -> Failure {
    Failure::storage(
        format!("a machine of the demo could not be started: {reason}"),
        "the demo needs free ports on 127.0.0.1",
    )
}

impl Fleet {
    /// Starts `size` machines; the one at `sick` is unhealthy at version `sick_at`.
    pub(crate) async fn start(size: usize, sick: usize, sick_at: &str) -> Result<Self, Failure> {
        let client = Trust::default().client(false, Hosts::default()).map_err(no_machine)?;
        let mut machines = Vec::new();
        for index in 0..size {
            let sick_at = (index == sick).then_some(sick_at);
            machines.push(Machine::start(sick_at).await?);
        }
        Ok(Self { client, machines })
    }

    /// The machines' addresses, in their order.
    pub(crate) fn addresses(&self) -> Vec<&str> {
        self.machines.iter().map(|machine| machine.address.as_str()).collect()
    }

    /// The version that each machine says it runs.
    pub(crate) async fn versions(&self) -> Result<Vec<String>, Failure> {
        let mut versions = Vec::new();
        for address in self.addresses() {
            let answer: Value = self.get(address, "version").await?;
            let version = answer.get("version").and_then(Value::as_str).unwrap_or_default();
            versions.push(version.to_owned());
        }
        Ok(versions)
    }

    /// What each machine knows of itself.
    pub(crate) async fn records(&self) -> Result<Vec<Records>, Failure> {
        let mut records = Vec::new();
        for address in self.addresses() {
            records.push(self.get(address, "records").await?);
        }
        Ok(records)
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        address: &str,
        path: &str,
    ) -> Result<T, Failure> {
        let lost = |error: reqwest::Error| {
            Failure::expectation(format!("the machine {address} does not answer: {error}"), "")
        };
        let answer = self.client.get(format!("http://{address}/{path}")).send().await;
        answer.map_err(lost)?.json().await.map_err(lost)
    }
}

impl Machine {
    async fn start(sick_at: Option<&str>) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(no_machine)?;
        let mut command = Command::new(program);
        command
            .arg("demo-machine")
            .args(["--deploy-ms", &DEPLOY_MS.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some(version) = sick_at {
            command.args(["--unhealthy-at", version]);
        }
        let mut process = command.spawn().map_err(no_machine)?;
        let output = process.stdout.take().ok_or_else(|| no_machine("it has no output"))?;
        let line = BufReader::new(output).lines().next_line().await.map_err(no_machine)?;
        let address = line.ok_or_else(|| no_machine("it ended at once"))?;
        Ok(Self { address, _process: process })
    }
}
