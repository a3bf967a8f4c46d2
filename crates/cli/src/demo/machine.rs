//! One machine of the demo: a real HTTP server that can be deployed to, and that remembers what
//! it was asked, so that nobody's word has to be taken for it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    sync::{Mutex, RwLock},
};

use crate::{arguments::DemoMachine, failure::Failure, output::print};

/// The version that every machine begins with.
pub(crate) const VERSION_FIRST: &str = "1";

/// What a machine knows of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Records {
    /// The version it runs.
    pub(crate) version: String,
    /// Whether it is changing its version right now.
    pub(crate) busy: bool,
    /// Every change of its version, in their order.
    pub(crate) changes: Vec<Change>,
    /// Requests that came again with a key whose change had been made: they changed nothing.
    pub(crate) repeats: Vec<String>,
    /// Requests that came without a key: they were refused.
    pub(crate) without_key: u64,
}

/// A change of a machine's version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Change {
    /// The idempotency key it was asked with.
    pub(crate) key: String,
    /// When it was made.
    pub(crate) at: Timestamp,
    /// The version before.
    pub(crate) from: String,
    /// The version after.
    pub(crate) to: String,
}

struct Machine {
    unhealthy_at: Option<String>,
    deploy: Duration,
    records: RwLock<Records>,
    /// Held while the version is being changed: one change at a time.
    changing: Mutex<()>,
}

/// Serves one machine on a free port, which it prints, until its standard input is closed: it
/// ends with the demo, however that ends.
pub(crate) async fn serve(arguments: &DemoMachine) -> Result<(), Failure> {
    let machine = Arc::new(Machine {
        unhealthy_at: arguments.unhealthy_at.clone(),
        deploy: Duration::from_millis(arguments.deploy_ms),
        records: RwLock::new(Records {
            version: VERSION_FIRST.to_owned(),
            busy: false,
            changes: Vec::new(),
            repeats: Vec::new(),
            without_key: 0,
        }),
        changing: Mutex::new(()),
    });
    let router = Router::new()
        .route("/version", get(version))
        .route("/health", get(health))
        .route("/records", get(records))
        .route("/deploy", post(deploy))
        .route("/restore", post(restore))
        .with_state(machine);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    print(format!("{}\n", listener.local_addr()?).as_bytes())?;
    let closed = async {
        let mut rest = Vec::new();
        // Whatever ends the reading ends the machine.
        drop(tokio::io::stdin().read_to_end(&mut rest).await);
    };
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        () = closed => Ok(()),
    }
}

async fn version(State(machine): State<Arc<Machine>>) -> Json<Value> {
    Json(json!({ "version": machine.records.read().await.version.clone() }))
}

async fn records(State(machine): State<Arc<Machine>>) -> Json<Records> {
    Json(machine.records.read().await.clone())
}

async fn health(State(machine): State<Arc<Machine>>) -> (StatusCode, Json<Value>) {
    let version = machine.records.read().await.version.clone();
    if machine.unhealthy_at.as_deref() == Some(version.as_str()) {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "healthy": false, "version": version })))
    } else {
        (StatusCode::OK, Json(json!({ "healthy": true, "version": version })))
    }
}

#[derive(Deserialize)]
struct Deployment {
    version: String,
}

async fn deploy(
    State(machine): State<Arc<Machine>>,
    headers: HeaderMap,
    Json(deployment): Json<Deployment>,
) -> (StatusCode, Json<Value>) {
    change(machine, &headers, Some(deployment.version)).await
}

async fn restore(
    State(machine): State<Arc<Machine>>,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    change(machine, &headers, None).await
}

/// Changes the version to `to`, or back to the one before. It goes on when whoever asked has gone
/// away, as it would on a real machine.
async fn change(
    machine: Arc<Machine>,
    headers: &HeaderMap,
    to: Option<String>,
) -> (StatusCode, Json<Value>) {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let Some(key) = key.map(str::to_owned) else {
        let mut records = machine.records.write().await;
        records.without_key = records.without_key.saturating_add(1);
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "no Idempotency-Key" })));
    };
    match tokio::spawn(async move { machine.change_once(key, to).await }).await {
        Ok(answer) => (StatusCode::OK, Json(answer)),
        Err(error) => {
            let error = json!({ "error": error.to_string() });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(error))
        }
    }
}

impl Machine {
    async fn change_once(&self, key: String, to: Option<String>) -> Value {
        let _one_at_a_time = self.changing.lock().await;
        let from = {
            let mut records = self.records.write().await;
            let made: BTreeSet<_> = records.changes.iter().map(|change| &change.key).collect();
            if made.contains(&key) {
                records.repeats.push(key);
                return json!({ "version": records.version, "repeated": true });
            }
            records.busy = true;
            records.version.clone()
        };
        tokio::time::sleep(self.deploy).await;
        let mut records = self.records.write().await;
        let before = records.changes.last().map_or(VERSION_FIRST, |change| &change.from);
        let to = to.unwrap_or_else(|| before.to_owned());
        records.version = to.clone();
        records.busy = false;
        records.changes.push(Change { key, at: Timestamp::now(), from, to: to.clone() });
        json!({ "version": to, "repeated": false })
    }
}
