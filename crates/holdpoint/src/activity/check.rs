//! The health check: measures again and again whether a target is healthy.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use holdpoint_core::Outcome;
use holdpoint_engine::{ActivityHandler, Attempt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    failed,
    hosts::Hosts,
    judge::{Judge, Pace, Verdict},
    mask::Secrets,
    probe::{Clients, Instruments, MetricsServer, Probe},
    trust::Trust,
};

/// The name under which the health check by HTTP is always registered.
pub const HTTP_CHECK: &str = "http-check";
/// The name under which every other health check is always registered.
pub const HEALTH_CHECK: &str = "health-check";

/// Measures until a verdict is possible.
///
/// - `passed`: every measurement was good for the demanded time.
/// - `failed`: more measurements in a row than the limit were bad.
/// - `inconclusive`: neither happened within the attempt's time, or more measurements in a row than
///   the limit told nothing. It picks no side.
///
/// The output is `{"verdict": …, "detail": …}`, the detail in words, and where the input asks for it
/// with `report` what an activity answered the last time, as `output`.
#[derive(Clone)]
pub struct HealthCheck {
    instruments: Instruments,
}

impl fmt::Debug for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthCheck")
            .field("hosts", &self.instruments.hosts)
            .finish_non_exhaustive()
    }
}

/// The input of the activity: one by HTTP, or with any probe.
#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Any {
        probe: Probe,
        #[serde(flatten)]
        pace: Pace,
        /// Whether what an activity answers is told, too.
        #[serde(default)]
        report: bool,
    },
    Http {
        url: String,
        #[serde(default = "ok")]
        expect: u16,
        #[serde(flatten)]
        pace: Pace,
    },
}

const fn ok() -> u16 {
    200
}

impl HealthCheck {
    /// A health check that may contact these hosts, and use these activities and metrics servers.
    ///
    /// # Errors
    /// In words, when the machine offers no HTTP client.
    pub fn new(
        hosts: Hosts,
        activities: BTreeMap<String, Arc<dyn ActivityHandler>>,
        servers: BTreeMap<String, MetricsServer>,
    ) -> Result<Self, String> {
        let clients = Clients::new(Trust::default())?;
        let secrets = Secrets::default();
        Ok(Self { instruments: Instruments { clients, hosts, activities, servers, secrets } })
    }

    /// Masks these in what metrics servers answer.
    #[must_use]
    pub fn masking(mut self, secrets: Secrets) -> Self {
        self.instruments.secrets = secrets;
        self
    }

    /// The same, that trusts these authorities where it goes by `https`.
    ///
    /// # Errors
    /// As [`HealthCheck::new`].
    pub fn trusting(mut self, trust: Trust) -> Result<Self, String> {
        self.instruments.clients = Clients::new(trust)?;
        Ok(self)
    }

    /// Measures until there is a verdict, or until the time is up.
    async fn verdict(
        &self,
        probe: &Probe,
        pace: Pace,
        attempt: &Attempt,
        until: Instant,
    ) -> (Verdict, String, Option<Value>) {
        let mut judge = Judge::new(pace);
        let mut answered = None;
        let judged = async {
            loop {
                let measured = match probe {
                    Probe::Run { activity, input } => {
                        let (measured, output) =
                            self.instruments.run(activity, input, attempt).await;
                        answered = output;
                        measured
                    }
                    probe => self.instruments.measure(probe, attempt).await,
                };
                if let Some(verdict) = judge.take(Instant::now(), measured) {
                    return verdict;
                }
                sleep(pace.pause()).await;
            }
        };
        match timeout_at(until, judged).await {
            Ok((verdict, why)) => (verdict, why, answered),
            Err(_) => (Verdict::Inconclusive, judge.no_verdict(), answered),
        }
    }
}

#[async_trait]
impl ActivityHandler for HealthCheck {
    async fn attempt(&self, mut attempt: Attempt) -> Outcome {
        let (probe, pace, report) = match serde_json::from_value(attempt.input.take()) {
            Ok(Input::Any { probe, pace, report }) => (probe, pace, report),
            Ok(Input::Http { url, expect, pace }) => (Probe::Http { url, expect }, pace, false),
            Err(error) => return failed(format!("the check is not well-formed: {error}"), false),
        };
        if let Err(why) = self.instruments.can(&probe) {
            return failed(why, false);
        }
        // It must say itself that it came to no verdict, before its time is up.
        let all = attempt.timeout.unsigned_abs();
        let margin = all.checked_div(10).unwrap_or_default().min(Duration::from_secs(1));
        let until = Instant::now() + all.saturating_sub(margin);
        let (verdict, why, answered) = self.verdict(&probe, pace, &attempt, until).await;
        let detail = match (verdict, &probe) {
            (Verdict::Passed, probe) => format!("{} {why}", good(probe)),
            (_, Probe::Query { expression, .. }) => format!("`{expression}`: {why}"),
            (_, Probe::Run { activity, .. }) => format!("`{activity}`: {why}"),
            (_, Probe::Http { .. } | Probe::Tcp(_)) => why,
        };
        let mut output = json!({ "verdict": verdict.as_str(), "detail": detail });
        if let (true, Some(answered), Some(members)) = (report, answered, output.as_object_mut()) {
            members.insert("output".to_owned(), answered);
        }
        Outcome::Completed(output)
    }
}

/// What was good, in words.
fn good(probe: &Probe) -> String {
    match probe {
        Probe::Http { url, expect } => format!("{url} answered {expect}"),
        Probe::Tcp(address) => format!("{address} took a connection"),
        Probe::Run { activity, .. } => format!("`{activity}` was good"),
        Probe::Query { expression, pass, .. } => format!("`{expression}` was {pass}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{Router, extract::RawQuery, http::StatusCode, routing::get};
    use jiff::SignedDuration;
    use serde_json::Value;

    use super::{
        super::tests::{attempt, serve},
        *,
    };

    const LONG: SignedDuration = SignedDuration::from_secs(60);

    /// Says in turn what is given, the last for ever.
    #[derive(Debug)]
    struct Says(Vec<Outcome>, AtomicUsize);

    #[async_trait]
    impl ActivityHandler for Says {
        async fn attempt(&self, _: Attempt) -> Outcome {
            let turn = self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1);
            self.0[turn].clone()
        }
    }

    async fn asked(check: &HealthCheck, input: Value, timeout: SignedDuration) -> Outcome {
        check.attempt(Attempt { timeout, ..attempt(input) }).await
    }

    async fn told(check: &HealthCheck, input: Value, timeout: SignedDuration) -> Value {
        match asked(check, input, timeout).await {
            Outcome::Completed(output) => output,
            other => panic!("{other:?}"),
        }
    }

    fn plain() -> HealthCheck {
        HealthCheck::new(any(), BTreeMap::new(), BTreeMap::new()).unwrap()
    }

    fn any() -> Hosts {
        Hosts::new(["*"]).unwrap()
    }

    /// Checks a target that gives these answers, the last for ever.
    async fn check(answers: &'static [u16], for_ms: u64, timeout: SignedDuration) -> Value {
        let turn = Arc::new(AtomicUsize::new(0));
        let answer = move || {
            let turn = turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            async move { StatusCode::from_u16(answers[turn]).unwrap() }
        };
        let host = serve(Router::new().route("/health", get(answer))).await;
        let url = format!("http://{host}/health");
        told(&plain(), json!({ "url": url, "for_ms": for_ms, "every_ms": 10 }), timeout).await
    }

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
        let output = told(&plain(), input, short).await;
        assert_eq!(output["verdict"], "inconclusive");
        assert!(output["detail"].as_str().unwrap().contains("refused"), "{output}");
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_not_retried() {
        for input in [
            json!({}),
            json!({ "url": "ftp://h/", "for_ms": 1, "every_ms": 1 }),
            json!({ "url": "h", "for_ms": 1, "every_ms": 1 }),
            json!({ "probe": { "run": { "activity": "x", "input": {} } }, "for_ms": 0, "every_ms": 1 }),
            json!({ "probe": { "query": { "expression": "up", "from": "x", "pass": { "above": 0 } } }, "for_ms": 0, "every_ms": 1 }),
        ] {
            let outcome = asked(&plain(), input, LONG).await;
            assert!(matches!(outcome, Outcome::Failed { retryable: false, .. }), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn a_port_takes_connections_or_refuses_them() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let input = json!({
            "probe": { "tcp": address }, "for_ms": 0, "every_ms": 10, "failure_limit": 0,
        });
        let output = told(&plain(), input.clone(), LONG).await;
        assert_eq!(output["verdict"], "passed", "{output}");
        drop(listener);
        let output = told(&plain(), input, LONG).await;
        assert_eq!(output["verdict"], "failed", "{output}");
    }

    fn says(outcomes: Vec<Outcome>) -> HealthCheck {
        let handler: Arc<dyn ActivityHandler> = Arc::new(Says(outcomes, AtomicUsize::new(0)));
        HealthCheck::new(any(), [("look".to_owned(), handler)].into(), BTreeMap::new()).unwrap()
    }

    #[tokio::test]
    async fn an_activity_says_how_it_is() {
        let no = |retryable| Outcome::Failed { error: "no".to_owned(), retryable };
        let verdict = |verdict: &str| {
            Outcome::Completed(json!({ "json": { "verdict": verdict, "detail": "so" } }))
        };
        for (outcomes, expected) in [
            (vec![Outcome::Completed(Value::Null)], "passed"),
            (vec![no(true)], "failed"),
            (vec![no(true), no(true), Outcome::Completed(Value::Null)], "passed"),
            // What could not be done says nothing of the target.
            (vec![no(false)], "inconclusive"),
            (vec![verdict("failed")], "failed"),
            (vec![verdict("inconclusive")], "inconclusive"),
            (vec![verdict("passed")], "passed"),
            // What speaks of a verdict and gives none is not taken for good.
            (vec![verdict("fail")], "inconclusive"),
            (vec![Outcome::Completed(json!({ "json": { "verdict": null } }))], "inconclusive"),
            (
                vec![Outcome::Completed(json!({ "stdout": "so\n{\"verdict\":\"failed\"}" }))],
                "inconclusive",
            ),
            (vec![Outcome::Completed(json!({ "stdout": "all is well" }))], "passed"),
        ] {
            let input = json!({
                "probe": { "run": { "activity": "look", "input": { "target": "t" } } },
                "for_ms": 0, "every_ms": 10, "inconclusive_limit": 1,
            });
            let output = told(&says(outcomes.clone()), input, LONG).await;
            assert_eq!(output["verdict"], expected, "{outcomes:?}: {output}");
        }
    }

    #[tokio::test]
    async fn a_metrics_server_is_asked() {
        let answer = |RawQuery(query): RawQuery| async move {
            let query = query.unwrap_or_default();
            match query.as_str() {
                "query=errors%7Bat%3D%22a+b%22%7D" => (
                    StatusCode::OK,
                    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0.02"]}]}}"#,
                ),
                "query=nothing" => (
                    StatusCode::OK,
                    r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
                ),
                "query=odd" => {
                    (StatusCode::BAD_REQUEST, r#"{"status":"error","error":"parse error"}"#)
                }
                _ => (StatusCode::OK, "<html>"),
            }
        };
        let host = serve(Router::new().route("/prometheus/api/v1/query", get(answer))).await;
        let server =
            MetricsServer::new(&format!("http://{host}/prometheus/"), &BTreeMap::new()).unwrap();
        let check =
            HealthCheck::new(any(), BTreeMap::new(), [("main".to_owned(), server)].into()).unwrap();
        for (expression, comparison, expected, says) in [
            ("errors{at=\"a b\"}", json!({ "pass": { "below": 0.05 } }), "passed", "was < 0.05"),
            ("errors{at=\"a b\"}", json!({ "pass": { "below": 0.02 } }), "failed", "is 0.02"),
            (
                "errors{at=\"a b\"}",
                json!({ "pass": { "below": 0.01 }, "fail": { "at_least": 0.05 } }),
                "inconclusive",
                "is 0.02, not < 0.01",
            ),
            ("nothing", json!({ "pass": { "below": 1 } }), "inconclusive", "no data"),
            ("odd", json!({ "pass": { "below": 1 } }), "inconclusive", "parse error"),
            ("web", json!({ "pass": { "below": 1 } }), "inconclusive", "not as Prometheus does"),
        ] {
            let mut query = comparison.clone();
            query["expression"] = expression.into();
            query["from"] = "main".into();
            let input = json!({
                "probe": { "query": query },
                "for_ms": 0, "every_ms": 10, "failure_limit": 0, "inconclusive_limit": 0,
            });
            let output = told(&check, input, LONG).await;
            assert_eq!(output["verdict"], expected, "{expression} {comparison}: {output}");
            assert!(output["detail"].as_str().unwrap().contains(says), "{output}");
        }
    }

    #[tokio::test]
    async fn only_hosts_that_the_operator_lists_are_contacted() {
        let host = serve(Router::new().route("/", get(|| async {}))).await;
        let port = host.rsplit(':').next().unwrap();
        for (hosts, expected) in [
            (vec![], false),
            (vec!["10.0.0.0/8".to_owned()], false),
            (vec!["127.0.0.1:1".to_owned()], false),
            (vec![format!("127.0.0.1:{port}")], true),
        ] {
            let hosts = Hosts::new(hosts.iter().map(String::as_str)).unwrap();
            let check = HealthCheck::new(hosts, BTreeMap::new(), BTreeMap::new()).unwrap();
            for input in [
                json!({ "url": format!("http://{host}/"), "for_ms": 0, "every_ms": 10 }),
                json!({ "probe": { "tcp": host }, "for_ms": 0, "every_ms": 10 }),
            ] {
                match asked(&check, input, LONG).await {
                    Outcome::Completed(output) => {
                        assert_eq!(output["verdict"], "passed");
                        assert!(expected);
                    }
                    Outcome::Failed { error, retryable: false } => {
                        assert!(error.contains("may not contact"), "{error}");
                        assert!(!expected);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_metrics_server_has_an_address() {
        for bad in ["prometheus:9090", "ftp://h", "http://h?x=1", "", "ftp://h"] {
            assert!(MetricsServer::new(bad, &BTreeMap::new()).is_err(), "{bad}");
        }
    }
}
