//! One measurement of a target's health: by HTTP, by a TCP connection, by an activity of the
//! operator's, or by a question to a metrics server.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use holdpoint_core::Outcome;
use holdpoint_engine::{ActivityHandler, Attempt};
use reqwest::{Client, RequestBuilder, Url, header::HeaderMap};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use super::{
    hosts::Hosts, http, judge::Measured, mask::Secrets, template::Template, trust::Trust,
    unsent::told,
};

/// No measurement waits longer for its answer; one by an activity has the time of the check.
const MEASUREMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of the answer of a metrics server is read, in bytes.
const ANSWER_MAX: usize = 256 * 1024;

/// What is measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Probe {
    /// The status of an answer to `GET`.
    Http {
        /// The address; `http` only.
        url: String,
        /// The status of a healthy answer.
        #[serde(default = "ok")]
        expect: u16,
    },
    /// Whether something takes a connection there: `HOST:PORT`.
    Tcp(String),
    /// What an activity of the operator's says.
    Run {
        /// Its name.
        activity: String,
        /// What it is given.
        input: Value,
    },
    /// What a metrics server answers.
    Query {
        /// The expression.
        expression: String,
        /// The server's name in the operator's configuration.
        from: String,
        /// What is good.
        pass: Comparison,
        /// What is bad; where there is nothing, what is not good.
        fail: Option<Comparison>,
    },
}

const fn ok() -> u16 {
    200
}

/// A comparison with a number.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Comparison {
    Below(f64),
    AtMost(f64),
    Above(f64),
    AtLeast(f64),
    Equal(f64),
}

impl Comparison {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Below(limit) => value < limit,
            Self::AtMost(limit) => value <= limit,
            Self::Above(limit) => value > limit,
            Self::AtLeast(limit) => value >= limit,
            Self::Equal(limit) => value == limit,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(limit) => write!(f, "< {limit}"),
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::Above(limit) => write!(f, "> {limit}"),
            Self::AtLeast(limit) => write!(f, ">= {limit}"),
            Self::Equal(limit) => write!(f, "== {limit}"),
        }
    }
}

/// A metrics server that runs may ask: one that speaks Prometheus' HTTP API.
#[derive(Clone, Debug)]
pub struct MetricsServer {
    base: Url,
    headers: HeaderMap,
}

impl MetricsServer {
    /// The server at an address, which gets these headers besides.
    ///
    /// # Errors
    /// In words, when the address or a header is not well-formed.
    pub fn new(url: &str, headers: &BTreeMap<String, Template>) -> Result<Self, String> {
        let base =
            Url::parse(url).map_err(|error| format!("`{url}` is not an address: {error}"))?;
        if !matches!(base.scheme(), "http" | "https")
            || base.query().is_some()
            || base.fragment().is_some()
        {
            return Err(format!(
                "the address is `{url}`: it must be `http://HOST/PATH`, or `https`"
            ));
        }
        Ok(Self { base, headers: http::headers(headers)? })
    }
}

/// The client for `http`, and the one for `https`, made when it is needed first.
#[derive(Clone)]
pub(super) struct Clients {
    plain: Client,
    secure: Arc<OnceLock<Result<Client, String>>>,
    trust: Trust,
}

impl Clients {
    pub(super) fn new(trust: Trust) -> Result<Self, String> {
        let plain = trust.client(false, Hosts::default())?;
        Ok(Self { plain, secure: Arc::default(), trust })
    }

    fn get(&self, url: Url) -> Result<RequestBuilder, String> {
        if url.scheme() != "https" {
            return Ok(self.plain.get(url));
        }
        let secure = self.secure.get_or_init(|| self.trust.client(true, Hosts::default()));
        Ok(secure.as_ref().map_err(Clone::clone)?.get(url))
    }
}

/// What measurements need.
#[derive(Clone)]
pub(super) struct Instruments {
    pub(super) clients: Clients,
    pub(super) hosts: Hosts,
    pub(super) activities: BTreeMap<String, Arc<dyn ActivityHandler>>,
    pub(super) servers: BTreeMap<String, MetricsServer>,
    pub(super) secrets: Secrets,
}

impl Instruments {
    /// Whether something can be measured here at all.
    ///
    /// # Errors
    /// In words, why not.
    pub(super) fn can(&self, probe: &Probe) -> Result<(), String> {
        match probe {
            Probe::Http { url, .. } => match Url::parse(url) {
                Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => {
                    let host = parsed.host_str().unwrap_or_default();
                    self.may(host, parsed.port_or_known_default().unwrap_or_default())
                }
                Ok(_) => Err(format!("`{url}` begins neither with `http://` nor with `https://`")),
                Err(error) => Err(format!("`{url}` is not an address: {error}")),
            },
            Probe::Tcp(address) => {
                let parts = address.rsplit_once(':');
                match parts.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
                    Some((host, port)) => self.may(host, port),
                    None => Err(format!("`{address}` is not HOST:PORT")),
                }
            }
            Probe::Run { activity, .. } if self.activities.contains_key(activity) => Ok(()),
            Probe::Run { activity, .. } => {
                Err(format!("no activity `{activity}` is configured here"))
            }
            Probe::Query { from, .. } if self.servers.contains_key(from) => Ok(()),
            Probe::Query { from, .. } => {
                Err(format!("no metrics server `{from}` is configured here"))
            }
        }
    }

    fn may(&self, host: &str, port: u16) -> Result<(), String> {
        if self.hosts.allow(host, port) {
            return Ok(());
        }
        Err(format!(
            "health checks may not contact {host}:{port}: `hosts` of `[health]` in the operator's \
             configuration does not list it"
        ))
    }

    /// Measures once.
    pub(super) async fn measure(&self, probe: &Probe, attempt: &Attempt) -> Measured {
        match probe {
            Probe::Http { url, expect } => self.ask(url, *expect).await,
            Probe::Tcp(address) => connect(address).await,
            Probe::Run { activity, input } => self.run(activity, input, attempt).await.0,
            Probe::Query { expression, from, pass, fail } => {
                match self.query(from, expression).await {
                    Err(why) => Measured::Unclear(why),
                    Ok(values) => judge_values(&values, *pass, *fail),
                }
            }
        }
    }

    async fn ask(&self, url: &str, expect: u16) -> Measured {
        let parsed = Url::parse(url).map_err(|error| error.to_string());
        let asks = match parsed.and_then(|url| self.clients.get(url)) {
            Ok(asks) => asks,
            Err(why) => return Measured::Unclear(why),
        };
        match timeout(MEASUREMENT_TIMEOUT, asks.send()).await {
            Ok(Ok(answer)) if answer.status().as_u16() == expect => Measured::Good,
            Ok(Ok(answer)) => {
                let status = answer.status().as_u16();
                Measured::Bad(format!("{url} answered {status} instead of {expect}"))
            }
            Ok(Err(error)) => Measured::Unclear(told(&error)),
            Err(_) => Measured::Unclear(format!("{url} did not answer")),
        }
    }

    /// Has an activity done once, and gives what it answered, where it did.
    pub(super) async fn run(
        &self,
        activity: &str,
        input: &Value,
        attempt: &Attempt,
    ) -> (Measured, Option<Value>) {
        let Some(handler) = self.activities.get(activity) else {
            let why = format!("no activity `{activity}` is configured here");
            return (Measured::Unclear(why), None);
        };
        let attempt =
            Attempt { activity: activity.to_owned(), input: input.clone(), ..attempt.clone() };
        match handler.attempt(attempt).await {
            Outcome::Completed(output) => (said(&output), Some(output)),
            // What may be tried again was done and was not good.
            Outcome::Failed { error, retryable: true } => (Measured::Bad(error), None),
            Outcome::Failed { error, .. } | Outcome::Unanswered { error } => {
                (Measured::Unclear(error), None)
            }
            Outcome::Unknown { reason } => (Measured::Unclear(reason), None),
        }
    }

    /// The values that a metrics server answers with.
    async fn query(&self, from: &str, expression: &str) -> Result<Vec<f64>, String> {
        let server = self.servers.get(from).ok_or("no such metrics server is configured here")?;
        let mut url = server.base.clone();
        let path = format!("{}/api/v1/query", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.query_pairs_mut().append_pair("query", expression);
        let asked = self.clients.get(url)?.headers(server.headers.clone()).send();
        let answered = timeout(MEASUREMENT_TIMEOUT, async {
            let answer = asked.await.map_err(|error| told(&error))?;
            let status = answer.status();
            let body = http::read(answer, ANSWER_MAX, &self.secrets)
                .await
                .map_err(|error| told(&error))?;
            Ok::<_, String>((status, body))
        });
        let (status, body) = match answered.await {
            Ok(answered) => answered?,
            Err(_) => return Err(format!("the metrics server `{from}` did not answer")),
        };
        let told: Told = serde_json::from_slice(&body).map_err(|_| {
            format!("the metrics server `{from}` answered {status}, and not as Prometheus does")
        })?;
        match told.data {
            Some(data) if told.status == "success" => data.values(),
            _ => Err(format!(
                "the metrics server `{from}` refused the question: {}",
                told.error.unwrap_or_default()
            )),
        }
    }
}

/// What an activity that was done says, where it says something; that it was done is good. What speaks
/// of a verdict and gives none is not taken for good.
fn said(output: &Value) -> Measured {
    let told = ["json", "body"].iter().find_map(|key| output.get(key)).unwrap_or(output);
    let detail = told.get("detail").and_then(Value::as_str).unwrap_or("it said so").to_owned();
    let texts = ["stdout", "stderr", "body"].iter().filter_map(|key| output.get(key)?.as_str());
    match told.get("verdict") {
        Some(verdict) => match verdict.as_str() {
            Some("passed") => Measured::Good,
            Some("failed") => Measured::Bad(detail),
            Some("inconclusive") => Measured::Unclear(detail),
            _ => Measured::Unclear(format!(
                "its verdict is `{verdict}`, which is none of `passed`, `failed` and `inconclusive`"
            )),
        },
        None if texts.into_iter().any(|text| text.contains("\"verdict\"")) => Measured::Unclear(
            "it speaks of a verdict, and not in one JSON object that is all its output".to_owned(),
        ),
        None => Measured::Good,
    }
}

/// Whether something takes a connection. That nothing does is an answer, too; that nobody can be
/// asked is none.
async fn connect(address: &str) -> Measured {
    match timeout(MEASUREMENT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Measured::Good,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Measured::Bad(format!("{address} refuses connections"))
        }
        Ok(Err(error)) => Measured::Unclear(format!("{address} cannot be reached: {error}")),
        Err(_) => Measured::Unclear(format!("{address} did not answer")),
    }
}

/// All must be good; one that is bad is enough.
fn judge_values(values: &[f64], pass: Comparison, fail: Option<Comparison>) -> Measured {
    if values.is_empty() {
        return Measured::Unclear("the metrics server has no data".to_owned());
    }
    let is_bad = |value: f64| fail.map_or(!pass.holds(value), |fail| fail.holds(value));
    let mut unclear = None;
    for value in values {
        if value.is_nan() {
            unclear = Some(Measured::Unclear("the value is not a number".to_owned()));
        } else if is_bad(*value) {
            let wanted = fail.map_or_else(|| format!("not {pass}"), |fail| fail.to_string());
            return Measured::Bad(format!("the value is {value}, {wanted}"));
        } else if !pass.holds(*value) {
            unclear = Some(Measured::Unclear(format!("the value is {value}, not {pass}")));
        }
    }
    unclear.unwrap_or(Measured::Good)
}

/// An answer of Prometheus' HTTP API.
#[derive(Deserialize)]
struct Told {
    status: String,
    data: Option<Data>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "snake_case")]
enum Data {
    Scalar(Sample),
    Vector(Vec<Series>),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    value: Sample,
}

/// When, and what: `[1435781451.781, "1"]`.
#[derive(Deserialize)]
struct Sample(#[expect(dead_code, reason = "its time is not asked for")] f64, String);

impl Data {
    fn values(self) -> Result<Vec<f64>, String> {
        let samples = match self {
            Self::Scalar(sample) => vec![sample],
            Self::Vector(series) => series.into_iter().map(|one| one.value).collect(),
            Self::Matrix(IgnoredAny) | Self::String(IgnoredAny) => {
                return Err(
                    "the question is about a span of time, or a text: a check needs numbers \
                            of one moment"
                        .to_owned(),
                );
            }
        };
        samples
            .into_iter()
            .map(|Sample(_, text)| text.parse().map_err(|_| format!("`{text}` is not a number")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(data: Value) -> Result<Vec<f64>, String> {
        serde_json::from_value::<Data>(data).unwrap().values()
    }

    #[test]
    fn answers_of_prometheus_are_read() {
        let sample = json!([1_435_781_451.781, "0.25"]);
        assert_eq!(values(json!({ "resultType": "scalar", "result": sample })), Ok(vec![0.25]));
        let series = json!([
            { "metric": { "job": "a" }, "value": [1, "1"] },
            { "metric": { "job": "b" }, "value": [1, "+Inf"] },
        ]);
        assert_eq!(
            values(json!({ "resultType": "vector", "result": series })),
            Ok(vec![1.0, f64::INFINITY])
        );
        assert_eq!(values(json!({ "resultType": "vector", "result": [] })), Ok(vec![]));
        let odd = values(json!({ "resultType": "vector", "result": [{ "value": [1, "x"] }] }));
        assert_eq!(odd, Err("`x` is not a number".to_owned()));
        assert!(values(json!({ "resultType": "matrix", "result": [] })).is_err());
    }

    #[test]
    fn what_is_neither_good_nor_bad_is_unclear() {
        let (pass, fail) = (Comparison::Below(0.01), Some(Comparison::AtLeast(0.05)));
        for (values, fail, expected) in [
            (&[0.0][..], None, "good"),
            (&[0.01], None, "bad"),
            (&[f64::NAN], None, "unclear"),
            (&[], None, "unclear"),
            (&[0.0099], fail, "good"),
            (&[0.01], fail, "unclear"),
            (&[0.0499], fail, "unclear"),
            (&[0.05], fail, "bad"),
            (&[0.0, 0.0], fail, "good"),
            (&[0.0, 0.02], fail, "unclear"),
            (&[0.02, 0.0, 0.05], fail, "bad"),
            (&[f64::NAN, 0.05], fail, "bad"),
        ] {
            let found = match judge_values(values, pass, fail) {
                Measured::Good => "good",
                Measured::Bad(_) => "bad",
                Measured::Unclear(_) => "unclear",
            };
            assert_eq!(found, expected, "{values:?} {fail:?}");
        }
    }

    #[test]
    fn comparisons_have_their_boundaries() {
        for (comparison, below, at, above) in [
            (Comparison::Below(1.0), true, false, false),
            (Comparison::AtMost(1.0), true, true, false),
            (Comparison::Above(1.0), false, false, true),
            (Comparison::AtLeast(1.0), false, true, true),
            (Comparison::Equal(1.0), false, true, false),
        ] {
            let held = [0.9, 1.0, 1.1].map(|value| comparison.holds(value));
            assert_eq!(held, [below, at, above], "{comparison}");
        }
    }
}
