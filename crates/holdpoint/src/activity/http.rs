//! The activity that sends an HTTP request.

use std::collections::BTreeMap;

use async_trait::async_trait;
use holdpoint_core::Outcome;
use holdpoint_engine::{ActivityHandler, Attempt};
use reqwest::{
    Client, Method, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use super::{failed, template::Template};

/// How much of an answer is read, in bytes.
const ANSWER_MAX: usize = 4_096;

/// Sends an HTTP request with the activity's input as its JSON body and the idempotency key in
/// the header `Idempotency-Key`: an attempt is done when the answer has an expected status.
///
/// An answer of 400 to 499 that is not expected is final, except 408, 425 and 429; every other
/// failure is worth another attempt.
#[derive(Clone, Debug)]
pub struct HttpActivity {
    client: Client,
    method: Method,
    url: Template,
    headers: HeaderMap,
    expect: Vec<u16>,
}

/// What an [`HttpActivity`] sends, as the operator configures it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Such as `POST`.
    pub method: String,
    /// The address, with `${field}`s from the activity's input; `http` only.
    pub url: String,
    /// Further headers, sent as they are.
    pub headers: BTreeMap<String, String>,
    /// The statuses that mean "done"; 200 to 299 when empty.
    pub expect: Vec<u16>,
}

impl HttpActivity {
    /// An activity that sends `request`.
    ///
    /// # Errors
    /// In words, when a part of `request` is not well-formed.
    pub fn new(request: &HttpRequest) -> Result<Self, String> {
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| format!("`{}` is not an HTTP method", request.method))?;
        let url = Template::parse(&request.url)?;
        if !url.literal_start().starts_with("http://") {
            return Err(format!("the address is `{}`: it must begin with `http://`", url.source()));
        }
        let headers = headers(&request.headers)?;
        if let Some(status) = request.expect.iter().find(|status| !(100..600).contains(*status)) {
            return Err(format!("`{status}` is not an HTTP status"));
        }
        let client = client().map_err(|error| error.to_string())?;
        Ok(Self { client, method, url, headers, expect: request.expect.clone() })
    }

    fn is_expected(&self, status: u16) -> bool {
        if self.expect.is_empty() {
            (200..300).contains(&status)
        } else {
            self.expect.contains(&status)
        }
    }
}

/// Headers, as the operator configures them.
pub(super) fn headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let (Ok(key), Ok(text)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        else {
            return Err(format!("`{name}: {value}` is not an HTTP header"));
        };
        headers.insert(key, text);
    }
    Ok(headers)
}

/// The beginning of an answer's body, so many bytes at most.
pub(super) async fn read(
    mut answer: reqwest::Response,
    most: usize,
) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            bytes.truncate(most);
            break;
        }
    }
    Ok(bytes)
}

/// A client that goes nowhere but where it is told.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()
}

/// What a field may put into an address: in the part that names the host only a host and a port,
/// elsewhere one step of a path or one value.
fn acceptable_in_url(before: &str, value: &str) -> Result<String, String> {
    let names_host =
        before.split_once("://").is_some_and(|(_, after)| !after.contains(['/', '?', '#']));
    if value.is_empty() {
        return Err("it is empty".to_owned());
    }
    if names_host {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        return if value.chars().all(plain) {
            Ok(value.to_owned())
        } else {
            Err("it is not the name of a host, with or without a port".to_owned())
        };
    }
    if value == "." || value == ".." {
        return Err("it would lead elsewhere".to_owned());
    }
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(encoded)
}

#[async_trait]
impl ActivityHandler for HttpActivity {
    async fn attempt(&self, attempt: Attempt) -> Outcome {
        let filled = self.url.fill(&attempt.input, acceptable_in_url);
        let url = match filled.and_then(|url| {
            Url::parse(&url).map_err(|error| format!("`{url}` is not an address: {error}"))
        }) {
            Ok(url) => url,
            Err(reason) => return failed(reason, false),
        };
        let sent = self
            .client
            .request(self.method.clone(), url.clone())
            .headers(self.headers.clone())
            .header("Idempotency-Key", &attempt.idempotency_key)
            .json(&attempt.input)
            .send()
            .await;
        let mut answer = match sent {
            Ok(answer) => answer,
            Err(error) => return failed(told(&error), true),
        };
        let status = answer.status().as_u16();
        let body = match beginning(&mut answer).await {
            Ok(body) => body,
            Err(error) => return failed(told(&error), true),
        };
        if self.is_expected(status) {
            return Outcome::Completed(json!({ "status": status, "body": body }));
        }
        let said = match &body {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        let retryable = !(400..500).contains(&status) || [408, 425, 429].contains(&status);
        failed(format!("{} {url} answered {status}: {said}", self.method), retryable)
    }
}

/// The beginning of the answer's body: as JSON when it is all of it and is JSON, else as text.
async fn beginning(answer: &mut reqwest::Response) -> Result<Value, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_MAX {
            bytes.truncate(ANSWER_MAX);
            return Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())))
}

/// An HTTP client's error with its causes, which are what says something.
pub(crate) fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        text = format!("{text}: {one}");
        cause = one.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::HeaderMap, routing::post};

    use super::{
        super::tests::{attempt, serve},
        *,
    };

    fn request(url: &str) -> HttpRequest {
        HttpRequest {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: BTreeMap::from([("x-team".to_owned(), "core".to_owned())]),
            expect: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_request_carries_input_headers_and_the_key() {
        let echo = |headers: HeaderMap, body: String| async move {
            format!(
                "{{\"key\":{:?},\"team\":{:?},\"body\":{body}}}",
                headers["idempotency-key"], headers["x-team"]
            )
        };
        let host = serve(Router::new().route("/deploy/a%2Fb", post(echo))).await;
        let activity = HttpActivity::new(&request("http://${target}/deploy/${name}")).unwrap();
        let outcome = activity.attempt(attempt(json!({ "target": host, "name": "a/b" }))).await;
        let Outcome::Completed(output) = outcome else { panic!("{outcome:?}") };
        assert_eq!(output["status"], 200);
        assert_eq!(output["body"]["key"], "run/effect");
        assert_eq!(output["body"]["team"], "core");
        assert_eq!(output["body"]["body"], json!({ "target": host, "name": "a/b" }));
    }

    #[tokio::test]
    async fn an_unexpected_answer_is_a_failure_and_its_status_says_whether_to_retry() {
        use axum::http::StatusCode;
        for (status, retryable) in [(404, false), (429, true), (500, true), (302, true)] {
            let answer = move || async move { (StatusCode::from_u16(status).unwrap(), "why") };
            let host = serve(Router::new().route("/", post(answer))).await;
            let activity = HttpActivity::new(&request("http://${target}/")).unwrap();
            let outcome = activity.attempt(attempt(json!({ "target": host }))).await;
            let error = format!("POST http://{host}/ answered {status}: why");
            assert_eq!(outcome, Outcome::Failed { error, retryable });
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_worth_another_attempt() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        drop(listener);
        let activity = HttpActivity::new(&request("http://${target}/")).unwrap();
        let outcome = activity.attempt(attempt(json!({ "target": host }))).await;
        let Outcome::Failed { error, retryable: true } = outcome else { panic!("{outcome:?}") };
        assert!(error.contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn the_input_chooses_no_host_beyond_its_field() {
        let activity = HttpActivity::new(&request("http://${target}/x")).unwrap();
        for target in ["evil/", "a@b", "a?b", "a#b", "", "a b", "a\\b", "a%2f"] {
            let outcome = activity.attempt(attempt(json!({ "target": target }))).await;
            assert!(
                matches!(outcome, Outcome::Failed { retryable: false, .. }),
                "{target}: {outcome:?}"
            );
        }
    }

    #[test]
    fn a_field_stays_where_it_is_put() {
        let put = |before, value| acceptable_in_url(before, value);
        assert_eq!(put("http://", "10.0.0.1:80").as_deref(), Ok("10.0.0.1:80"));
        assert_eq!(put("http://h/", "a b/c?d").as_deref(), Ok("a%20b%2Fc%3Fd"));
        assert_eq!(put("http://h?x=", "ä&").as_deref(), Ok("%C3%A4%26"));
        assert!(put("http://h/", "..").is_err());
    }

    #[test]
    fn a_request_that_could_never_be_sent_is_refused_early() {
        for bad in ["https://h/", "${url}", "ftp://h", "http://${target"] {
            assert!(HttpActivity::new(&request(bad)).is_err(), "{bad}");
        }
        let good = request("http://h/");
        assert!(HttpActivity::new(&HttpRequest { method: "A B".into(), ..good.clone() }).is_err());
        assert!(HttpActivity::new(&HttpRequest { expect: vec![42], ..good.clone() }).is_err());
        let headers = BTreeMap::from([("a b".to_owned(), String::new())]);
        assert!(HttpActivity::new(&HttpRequest { headers, ..good }).is_err());
    }
}
