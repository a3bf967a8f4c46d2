//! The health check: asks an address again and again whether a target is healthy.

use std::time::Duration;

use async_trait::async_trait;
use holdpoint_core::Outcome;
use holdpoint_engine::{ActivityHandler, Attempt};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{failed, http};

/// The name under which the health check is always registered.
pub const HTTP_CHECK: &str = "http-check";

/// So many unhealthy answers in a row mean that the target is not healthy.
const UNHEALTHY_ANSWERS_MAX: u32 = 3;

/// No probe waits longer for its answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Probes an address with `GET` until a verdict is possible.
///
/// - `passed`: every answer had the expected status for the demanded time.
/// - `failed`: three answers in a row had another status.
/// - `inconclusive`: neither happened within the attempt's time, for example because nobody
///   answered. It picks no side.
///
/// The output is `{"verdict": …, "detail": …}`, the detail in words.
#[derive(Clone, Debug)]
pub struct HttpCheck {
    client: Client,
}

/// The input of the activity.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The address; `http` only.
    url: String,
    /// The status of a healthy answer.
    #[serde(default = "ok")]
    expect: u16,
    /// For how long it must be healthy.
    for_ms: u64,
    /// How often it is asked.
    every_ms: u64,
}

const fn ok() -> u16 {
    200
}

enum Probe {
    Healthy,
    Unhealthy(String),
    Unanswered(String),
}

impl HttpCheck {
    /// A health check.
    ///
    /// # Errors
    /// In words, when the machine offers no HTTP client.
    pub fn new() -> Result<Self, String> {
        Ok(Self { client: http::client().map_err(|error| error.to_string())? })
    }

    async fn probe(&self, url: &Url, expect: u16) -> Probe {
        match timeout(PROBE_TIMEOUT, self.client.get(url.clone()).send()).await {
            Ok(Ok(answer)) if answer.status().as_u16() == expect => Probe::Healthy,
            Ok(Ok(answer)) => {
                let status = answer.status().as_u16();
                Probe::Unhealthy(format!("{url} answered {status} instead of {expect}"))
            }
            Ok(Err(error)) => Probe::Unanswered(http::told(&error)),
            Err(_) => Probe::Unanswered(format!("{url} did not answer")),
        }
    }

    /// Probes until the target has been healthy long enough (`Ok`) or has shown that it is not.
    /// `last` is what the last probe that was not healthy said.
    async fn verdict(&self, url: &Url, input: &Input, last: &mut String) -> Result<u32, ()> {
        let (wanted, pause) =
            (Duration::from_millis(input.for_ms), Duration::from_millis(input.every_ms.max(10)));
        let mut healthy: Option<(Instant, u32)> = None;
        let mut unhealthy = 0_u32;
        loop {
            match self.probe(url, input.expect).await {
                Probe::Healthy => {
                    unhealthy = 0;
                    let (since, probes) = healthy.unwrap_or_else(|| (Instant::now(), 0));
                    let probes = probes.saturating_add(1);
                    healthy = Some((since, probes));
                    if since.elapsed() >= wanted {
                        return Ok(probes);
                    }
                }
                Probe::Unhealthy(said) => {
                    *last = said;
                    healthy = None;
                    unhealthy = unhealthy.saturating_add(1);
                    if unhealthy >= UNHEALTHY_ANSWERS_MAX {
                        return Err(());
                    }
                }
                Probe::Unanswered(said) => {
                    *last = said;
                    healthy = None;
                }
            }
            sleep(pause).await;
        }
    }
}

#[async_trait]
impl ActivityHandler for HttpCheck {
    async fn attempt(&self, attempt: Attempt) -> Outcome {
        let input: Input = match serde_json::from_value(attempt.input) {
            Ok(input) => input,
            Err(error) => return failed(format!("the check is not well-formed: {error}"), false),
        };
        let url = match Url::parse(&input.url) {
            Ok(url) if url.scheme() == "http" => url,
            Ok(_) => {
                return failed(format!("`{}` does not begin with `http://`", input.url), false);
            }
            Err(error) => {
                return failed(format!("`{}` is not an address: {error}", input.url), false);
            }
        };
        // It must say itself that it came to no verdict, before its time is up.
        let all = attempt.timeout.unsigned_abs();
        let margin = all.checked_div(10).unwrap_or_default().min(Duration::from_secs(1));
        let until = Instant::now() + all.saturating_sub(margin);
        let mut last = "it was not healthy long enough".to_owned();
        let (verdict, detail) = match timeout_at(until, self.verdict(&url, &input, &mut last)).await
        {
            Ok(Ok(probes)) => {
                ("passed", format!("{url} answered {} to {probes} probes in a row", input.expect))
            }
            Ok(Err(())) => ("failed", format!("{last}, {UNHEALTHY_ANSWERS_MAX} times in a row")),
            Err(_) => ("inconclusive", format!("no verdict was possible in time: {last}")),
        };
        Outcome::Completed(json!({ "verdict": verdict, "detail": detail }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Router, http::StatusCode, routing::get};
    use jiff::SignedDuration;
    use serde_json::Value;

    use super::{
        super::tests::{attempt, serve},
        *,
    };

    /// Checks a target that gives these answers, the last for ever.
    async fn check(answers: &'static [u16], for_ms: u64, timeout: SignedDuration) -> Value {
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = move || {
            let turn = asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            async move { StatusCode::from_u16(answers[turn]).unwrap() }
        };
        let host = serve(Router::new().route("/health", get(answer))).await;
        let url = format!("http://{host}/health");
        let input = json!({ "url": url, "for_ms": for_ms, "every_ms": 10 });
        let attempt = Attempt { timeout, ..attempt(input) };
        match HttpCheck::new().unwrap().attempt(attempt).await {
            Outcome::Completed(output) => output,
            other => panic!("{other:?}"),
        }
    }

    const LONG: SignedDuration = SignedDuration::from_secs(60);

    #[tokio::test]
    async fn a_target_that_stays_healthy_passes() {
        assert_eq!(check(&[200], 50, LONG).await["verdict"], "passed");
        assert_eq!(check(&[503, 503, 200], 0, LONG).await["verdict"], "passed");
    }

    #[tokio::test]
    async fn a_target_that_keeps_answering_otherwise_fails() {
        for answers in [&[503][..], &[200, 503, 503, 200, 503, 503, 503]] {
            let output = check(answers, 50_000, LONG).await;
            assert_eq!(output["verdict"], "failed");
            let detail = output["detail"].as_str().unwrap();
            assert!(detail.contains("answered 503 instead of 200, 3 times in a row"), "{detail}");
        }
    }

    #[tokio::test]
    async fn without_a_verdict_in_time_no_side_is_picked() {
        let short = SignedDuration::from_millis(100);
        assert_eq!(check(&[200], 60_000, short).await["verdict"], "inconclusive");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let input = json!({ "url": url, "for_ms": 0, "every_ms": 10 });
        let attempt = Attempt { timeout: short, ..attempt(input) };
        let outcome = HttpCheck::new().unwrap().attempt(attempt).await;
        let Outcome::Completed(output) = outcome else { panic!("{outcome:?}") };
        assert_eq!(output["verdict"], "inconclusive");
        assert!(output["detail"].as_str().unwrap().contains("refused"), "{output}");
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_not_retried() {
        for input in [
            json!({}),
            json!({ "url": "https://h/", "for_ms": 1, "every_ms": 1 }),
            json!({ "url": "h", "for_ms": 1, "every_ms": 1 }),
        ] {
            let outcome = HttpCheck::new().unwrap().attempt(attempt(input)).await;
            assert!(matches!(outcome, Outcome::Failed { retryable: false, .. }), "{outcome:?}");
        }
    }
}
