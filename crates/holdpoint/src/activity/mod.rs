//! The activities that Holdpoint brings along: a program, an HTTP request, a health check.

mod body;
mod check;
mod command;
mod guard;
mod hosts;
mod http;
mod incomplete;
mod judge;
mod limited;
mod mask;
mod probe;
mod said;
mod shell;
mod sources;
mod template;
mod trust;
mod unsent;

use holdpoint_core::Outcome;

pub use body::{Body, JsonTemplate};
pub use check::{HEALTH_CHECK, HTTP_CHECK, HealthCheck};
pub(crate) use command::ATTEMPTS;
pub use command::{CommandActivity, OUTPUT_FILED_MAX, OUTPUT_KEPT_MAX};
pub use guard::{Guard, guard};
pub use hosts::Hosts;
pub use http::{AnswerOutcome, HttpActivity, HttpRequest};
pub(crate) use http::{NOT_IN_HEADERS, address, is_header_value};
pub(crate) use incomplete::Incomplete;
pub use limited::Limited;
pub use mask::Secrets;
pub use probe::MetricsServer;
pub(crate) use said::Said;
pub(crate) use sources::{HELP_SECRET, Sources};
pub use template::Template;
pub use trust::Trust;

fn failed(error: impl Into<String>, retryable: bool) -> Outcome {
    Outcome::Failed { error: error.into(), retryable }
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::Router;
    use holdpoint_core::{EffectId, RunId};
    use holdpoint_engine::{Attempt, Life};
    use jiff::SignedDuration;
    use serde_json::Value;

    /// A first attempt with `input`, of at most ten seconds.
    pub(crate) fn attempt(input: Value) -> Attempt {
        Attempt {
            run: "01900000-0000-7000-8000-000000000001".parse::<RunId>().unwrap(),
            project: "lab".parse().unwrap(),
            effect: EffectId::new("effect"),
            idempotency_key: "run/effect".to_owned(),
            attempt: 1,
            activity: "work".to_owned(),
            input,
            timeout: SignedDuration::from_secs(10),
            heartbeat: None,
            life: Life::default(),
        }
    }

    /// Serves `router` on a free port; answers with its host and port.
    pub(crate) async fn serve(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        host
    }
}
