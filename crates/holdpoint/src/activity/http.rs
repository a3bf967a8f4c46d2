//! The activity that sends an HTTP request.

use std::collections::BTreeMap;

use async_trait::async_trait;
use holdpoint_core::Outcome;
use holdpoint_engine::{ActivityHandler, Attempt};
use reqwest::{
    Client, Method, Url,
    header::{HOST, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use serde_json_path::JsonPath;

use super::{
    body::Body,
    failed,
    hosts::Hosts,
    mask::{Masking, Secrets},
    template::Template,
    trust::Trust,
    unsent::told,
};

/// How much of an answer is recorded, in bytes, and read where all of it would be.
const ANSWER_MAX: usize = 4_096;

/// How much of an answer is read, in bytes, where something is looked up in it.
const LOOKED_UP_MAX: usize = 1024 * 1024;

/// Sends an HTTP request with the activity's input, or what is made of it, in its body and the
/// idempotency key in the header `Idempotency-Key`: an attempt is done when the answer has an expected
/// status, and its body says so too, where it is asked.
///
/// An answer of 400 to 499 that is not expected is final, except 408, 425 and 429; every other
/// failure is worth another attempt.
#[derive(Clone, Debug)]
pub struct HttpActivity {
    client: Client,
    method: Method,
    url: Template,
    headers: Vec<(HeaderName, Template)>,
    body: Body,
    expect: Vec<u16>,
    outcome: Option<(JsonPath, AnswerOutcome)>,
    output: Option<JsonPath>,
    hosts: Hosts,
    secrets: Secrets,
}

/// What an [`HttpActivity`] sends, and what it makes of the answer, as the operator configures it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpRequest {
    /// Such as `POST`.
    pub method: String,
    /// The address, with `${field}`s from the activity's input; `http` or `https`.
    pub url: String,
    /// Further headers. A field stands in one as it is: as a part of one line.
    pub headers: BTreeMap<String, Template>,
    /// What it carries.
    pub body: Body,
    /// The statuses that mean "done"; 200 to 299 when empty.
    pub expect: Vec<u16>,
    /// What in the body says how the work ended; the status alone when `None`.
    pub outcome: Option<AnswerOutcome>,
    /// What of the body is the output, as a JSON path; all of it when `None`.
    pub output: Option<String>,
    /// To which hosts it may go; where none is listed, to the one that `url` names.
    pub hosts: Hosts,
    /// To which hosts the request may be redirected.
    pub redirect_to: Hosts,
}

/// What in the body of an answer says how the work ended.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerOutcome {
    /// A JSON path that names one value.
    pub at: String,
    /// The values that mean that it is done.
    pub done: Vec<Value>,
    /// The values that mean that another attempt makes sense; every other value is a final failure.
    pub again: Vec<Value>,
}

fn path(text: &str) -> Result<JsonPath, String> {
    JsonPath::parse(text).map_err(|error| format!("`{text}` is not a JSON path: {error}"))
}

/// The address of a request, with its fields.
///
/// # Errors
/// In words, when it is none.
pub(crate) fn address(text: &str) -> Result<Template, String> {
    let url = Template::parse(text)?;
    if !["http://", "https://"].iter().any(|begin| url.literal_start().starts_with(begin)) {
        return Err(format!(
            "the address is `{}`: it must begin with `http://` or `https://`",
            url.source()
        ));
    }
    // A parser of addresses skips further slashes, and takes what follows for the host.
    let host = url.literal_start().split_once("://").map_or("", |(_, host)| host);
    if host.starts_with(|c: char| !c.is_alphanumeric() && !"[_".contains(c)) {
        return Err(format!("the address is `{}`: it names no host", url.source()));
    }
    Ok(url)
}

impl HttpActivity {
    /// An activity that sends `request`, and trusts `trust` where it goes by `https`.
    ///
    /// # Errors
    /// In words, when a part of `request` is not well-formed, or its host comes from the input and
    /// `hosts` lists none: which machines are contacted is not for a run to say.
    pub fn new(request: &HttpRequest, trust: &Trust) -> Result<Self, String> {
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| format!("`{}` is not an HTTP method", request.method))?;
        let url = address(&request.url)?;
        let secure = url.literal_start().starts_with("https://");
        if !url.is_literal() && names_host(url.literal_start()) && request.hosts.is_empty() {
            return Err(format!(
                "the host of `{}` comes from the run: list in `hosts` to which it may go, such as \
                 `hosts = [\"*.example.com\"]`",
                url.source()
            ));
        }
        let headers = header_templates(&request.headers)?;
        request.body.check()?;
        if let Some(status) = request.expect.iter().find(|status| !(100..600).contains(*status)) {
            return Err(format!("`{status}` is not an HTTP status"));
        }
        let outcome = match &request.outcome {
            None => None,
            Some(outcome) if outcome.done.is_empty() => {
                return Err("`outcome` says by no value that it is `done`".to_owned());
            }
            Some(outcome) => Some((path(&outcome.at)?, outcome.clone())),
        };
        let output = request.output.as_deref().map(path).transpose()?;
        let client = trust.client(secure, request.redirect_to.clone())?;
        let (expect, hosts) = (request.expect.clone(), request.hosts.clone());
        let (body, secrets) = (request.body.clone(), Secrets::default());
        Ok(Self { client, method, url, headers, body, expect, outcome, output, hosts, secrets })
    }

    /// Masks these in what is answered, before anything is made of it.
    #[must_use]
    pub fn masking(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    fn is_expected(&self, status: u16) -> bool {
        if self.expect.is_empty() {
            (200..300).contains(&status)
        } else {
            self.expect.contains(&status)
        }
    }
}

/// Headers, as the operator configures them. What none can have is found now, except in what fills a field.
fn header_templates(
    given: &BTreeMap<String, Template>,
) -> Result<Vec<(HeaderName, Template)>, String> {
    let mut headers = Vec::new();
    for (name, value) in given {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`{name}` is not the name of a header"))?;
        // A server finds by it which of its sites is meant.
        if key == HOST && !value.is_literal() {
            return Err(
                "the header `Host` has a field: which host is asked is not for a run to say"
                    .to_owned(),
            );
        }
        if let Some(text) = value.text() {
            header_value(name, text)?;
        }
        headers.push((key, value.clone()));
    }
    Ok(headers)
}

/// Headers that are the same for every request.
pub(super) fn headers(given: &BTreeMap<String, Template>) -> Result<HeaderMap, String> {
    let templates = header_templates(given)?;
    if let Some((name, _)) = templates.iter().find(|(_, value)| !value.is_literal()) {
        return Err(format!("the header `{name}` has a field, and there is no input to fill it"));
    }
    filled(&templates, &Value::Null)
}

fn filled(templates: &[(HeaderName, Template)], input: &Value) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, template) in templates {
        let text = template.fill(input, acceptable_in_header)?;
        headers.insert(name, header_value(name.as_str(), &text)?);
    }
    Ok(headers)
}

/// A header's value, which may be secret: nothing prints it.
fn header_value(name: &str, text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| format!("the value of the header `{name}` {NOT_IN_HEADERS}"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What is wrong with a text that no header can have.
pub(crate) const NOT_IN_HEADERS: &str =
    "has a line break, or another character that no header can have";

/// Whether a header can have this value.
pub(crate) fn is_header_value(text: &str) -> bool {
    HeaderValue::from_str(text).is_ok()
}

/// What a field may put into a header: nothing that would end its line and begin another.
fn acceptable_in_header(_: &str, value: &str) -> Result<String, String> {
    if is_header_value(value) { Ok(value.to_owned()) } else { Err(format!("it {NOT_IN_HEADERS}")) }
}

/// The beginning of an answer's body, so many bytes at most, with secrets masked before it is cut off.
pub(super) async fn read(
    mut answer: reqwest::Response,
    most: usize,
    secrets: &Secrets,
) -> Result<Vec<u8>, reqwest::Error> {
    let mut masking = Masking::new(secrets);
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        bytes.extend(masking.take(&chunk));
        if bytes.len() > most {
            bytes.truncate(most);
            return Ok(bytes);
        }
    }
    bytes.extend(masking.end());
    bytes.truncate(most);
    Ok(bytes)
}

/// Whether what follows in an address still belongs to its host.
fn names_host(before: &str) -> bool {
    before.split_once("://").is_some_and(|(_, after)| !after.contains(['/', '?', '#']))
}

/// What a field may put into an address: in the part that names the host only a host and a port,
/// elsewhere one step of a path or one value.
fn acceptable_in_url(before: &str, value: &str) -> Result<String, String> {
    if value.is_empty() {
        return Err("it is empty".to_owned());
    }
    if names_host(before) {
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
    Ok(percent_encoded(value))
}

/// The text as one value in an address or a form.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[async_trait]
impl ActivityHandler for HttpActivity {
    async fn attempt(&self, attempt: Attempt) -> Outcome {
        let url = self.url.fill(&attempt.input, acceptable_in_url);
        let url = match url.and_then(|url| {
            Url::parse(&url).map_err(|error| format!("`{url}` is not an address: {error}"))
        }) {
            Ok(url) => url,
            Err(reason) => return failed(reason, false),
        };
        if let Err(reason) = self.may(&url) {
            return failed(reason, false);
        }
        let asked = self
            .client
            .request(self.method.clone(), url.clone())
            .header("Idempotency-Key", &attempt.idempotency_key);
        let asked = filled(&self.headers, &attempt.input)
            .and_then(|headers| self.body.put(asked, &headers, &attempt.input));
        let asked = match asked {
            Ok(asked) => asked,
            Err(reason) => return failed(reason, false),
        };
        let answer = match asked.send().await {
            Ok(answer) => answer,
            Err(error) => return failed(told(&error), true),
        };
        let status = answer.status().as_u16();
        let looks_up = self.outcome.is_some() || self.output.is_some();
        let most = if looks_up { LOOKED_UP_MAX } else { ANSWER_MAX };
        // One byte more tells that there is more.
        let bytes = match read(answer, most.saturating_add(1), &self.secrets).await {
            Ok(bytes) => bytes,
            Err(error) => return failed(told(&error), true),
        };
        let whole = (bytes.len() <= most).then(|| serde_json::from_slice(&bytes).ok()).flatten();
        if self.is_expected(status) {
            return match whole {
                _ if !looks_up => {
                    let body = whole.unwrap_or_else(|| Value::String(beginning(&bytes)));
                    Outcome::Completed(json!({ "status": status, "body": body }))
                }
                Some(body) => self.judge(status, &body),
                None => {
                    let what = format!("something other than JSON of up to {LOOKED_UP_MAX} bytes");
                    let said = beginning(&bytes);
                    failed(format!("{} {url} answered {what}: {}", self.method, said.trim()), true)
                }
            };
        }
        let said = match whole {
            Some(Value::String(text)) => text,
            Some(other) if bytes.len() <= ANSWER_MAX => other.to_string(),
            _ => beginning(&bytes),
        };
        let retryable = !(400..500).contains(&status) || [408, 425, 429].contains(&status);
        failed(format!("{} {url} answered {status}: {}", self.method, said.trim()), retryable)
    }
}

impl HttpActivity {
    /// Whether the operator lets it go there.
    fn may(&self, url: &Url) -> Result<(), String> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        if self.hosts.is_empty() || self.hosts.allow(host, port) {
            return Ok(());
        }
        Err(format!(
            "the activity may not contact {host}:{port}: its `hosts` in the operator's configuration \
             do not list it"
        ))
    }

    /// What an answer with an expected status says.
    fn judge(&self, status: u16, body: &Value) -> Outcome {
        if let Some((path, outcome)) = &self.outcome {
            let at = &outcome.at;
            match path.query(body).exactly_one() {
                Ok(value) if outcome.done.contains(value) => {}
                Ok(value) => {
                    let error = format!("the answer's outcome, `{at}`, is {value}");
                    return failed(error, outcome.again.contains(value));
                }
                Err(error) => {
                    let error = format!("the answer has not one outcome at `{at}`: {error}");
                    return failed(error, true);
                }
            }
        }
        let body = match &self.output {
            None => body.clone(),
            Some(path) => match path.query(body).all().as_slice() {
                [] => Value::Null,
                [one] => (*one).clone(),
                several => several.iter().map(|one| (*one).clone()).collect(),
            },
        };
        Outcome::Completed(json!({ "status": status, "body": body }))
    }
}

/// What is recorded of an answer as text.
fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..ANSWER_MAX).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::HeaderMap, routing::post};

    use super::{
        super::tests::{attempt, serve},
        *,
    };

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    fn request(url: &str) -> HttpRequest {
        HttpRequest {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: BTreeMap::from([("x-team".to_owned(), template("core"))]),
            hosts: Hosts::new(["127.0.0.1", "h"]).unwrap(),
            ..HttpRequest::default()
        }
    }

    fn activity(request: &HttpRequest) -> Result<HttpActivity, String> {
        HttpActivity::new(request, &Trust::default())
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
        let sends = activity(&request("http://${target}/deploy/${name}")).unwrap();
        let outcome = sends.attempt(attempt(json!({ "target": host, "name": "a/b" }))).await;
        let Outcome::Completed(output) = outcome else { panic!("{outcome:?}") };
        assert_eq!(output["status"], 200);
        assert_eq!(output["body"]["key"], "run/effect");
        assert_eq!(output["body"]["team"], "core");
        assert_eq!(output["body"]["body"], json!({ "target": host, "name": "a/b" }));
    }

    #[tokio::test]
    async fn a_field_adds_nothing_to_a_header_but_its_value() {
        let names = |headers: HeaderMap| async move {
            let told = headers.iter().map(|(name, value)| format!("{name}: {value:?}"));
            told.collect::<Vec<_>>().join("\n")
        };
        let host = serve(Router::new().route("/", post(names))).await;
        let headers = BTreeMap::from([("x-who".to_owned(), template("by ${who} at ${n}"))]);
        let sends = activity(&HttpRequest { headers, ..request("http://${target}/") }).unwrap();
        for (who, sent) in [
            ("ada; x-admin: 1", true),
            ("ada\r\nx-admin: 1", false),
            ("ada\nx-admin: 1", false),
            ("ada\rx-admin: 1", false),
            ("ada\0", false),
            ("\u{7f}", false),
        ] {
            let input = json!({ "target": host, "who": who, "n": 3 });
            match sends.attempt(attempt(input)).await {
                Outcome::Completed(output) if sent => {
                    let told = output["body"].as_str().unwrap();
                    assert!(told.contains("x-who: \"by ada; x-admin: 1 at 3\""), "{told}");
                    assert!(!told.contains("\nx-admin"), "{told}");
                }
                Outcome::Failed { error, retryable: false } if !sent => {
                    assert!(error.contains("no header can have"), "{error}");
                }
                outcome => panic!("{who:?}: {outcome:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_secret_in_an_answer_is_masked_however_it_comes() {
        use axum::{body::Body as Answer, http::StatusCode};
        // In two pieces; across the end of what is recorded; as JSON, where it is escaped; and in an error.
        let across = format!("{}s3\"cret", "x".repeat(ANSWER_MAX - 3));
        for (status, pieces) in [
            (200, vec!["told s3\"c".to_owned(), "ret".to_owned()]),
            (200, vec![across.clone()]),
            (500, vec![across]),
            (200, vec!["{\"a\": \"s3\\\"".to_owned(), "cret\"}".to_owned()]),
            (404, vec!["no s3%22cret here, s3\\\"cret".to_owned()]),
        ] {
            let answer = move || async move {
                let pieces = pieces.into_iter().map(Ok::<_, std::io::Error>);
                let body = Answer::from_stream(futures::stream::iter(pieces));
                (StatusCode::from_u16(status).unwrap(), body)
            };
            let host = serve(Router::new().route("/", post(answer))).await;
            let sends = activity(&request("http://${target}/")).unwrap();
            let sends = sends.masking(Secrets::new(["s3\"cret".to_owned()]));
            let told = format!("{:?}", sends.attempt(attempt(json!({ "target": host }))).await);
            assert!(told.contains("***") && !told.contains("s3"), "{told}");
        }
    }

    #[test]
    fn nothing_prints_a_header() {
        let secret =
            Template::with_secrets("Bearer ${env:T}", |_| Ok("s3cret".to_owned())).unwrap();
        let headers = BTreeMap::from([("authorization".to_owned(), secret.clone())]);
        let body = Body::Form(BTreeMap::from([("token".to_owned(), secret)]));
        let request = HttpRequest { headers: headers.clone(), body, ..request("http://h/") };
        let all = format!("{request:?} {:?}", activity(&request).unwrap());
        assert!(!all.contains("s3cret") && all.contains("${env:T}"), "{all}");
        assert!(!format!("{:?}", super::headers(&headers).unwrap()).contains("s3cret"));
    }

    #[tokio::test]
    async fn an_unexpected_answer_is_a_failure_and_its_status_says_whether_to_retry() {
        use axum::http::StatusCode;
        for (status, retryable) in [(404, false), (429, true), (500, true), (302, true)] {
            let answer = move || async move { (StatusCode::from_u16(status).unwrap(), "why") };
            let host = serve(Router::new().route("/", post(answer))).await;
            let sends = activity(&request("http://${target}/")).unwrap();
            let outcome = sends.attempt(attempt(json!({ "target": host }))).await;
            let error = format!("POST http://{host}/ answered {status}: why");
            assert_eq!(outcome, Outcome::Failed { error, retryable });
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_worth_another_attempt() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        drop(listener);
        let sends = activity(&request("http://${target}/")).unwrap();
        let outcome = sends.attempt(attempt(json!({ "target": host }))).await;
        let Outcome::Failed { error, retryable: true } = outcome else { panic!("{outcome:?}") };
        assert!(error.contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn the_input_chooses_no_host_beyond_its_field() {
        let sends = activity(&request("http://${target}/x")).unwrap();
        for target in ["evil/", "a@b", "a?b", "a#b", "", "a b", "a\\b", "a%2f"] {
            let outcome = sends.attempt(attempt(json!({ "target": target }))).await;
            assert!(
                matches!(outcome, Outcome::Failed { retryable: false, .. }),
                "{target}: {outcome:?}"
            );
        }
    }

    #[tokio::test]
    async fn the_body_says_how_the_work_ended_and_what_of_it_is_the_output() {
        let outcome = AnswerOutcome {
            at: "$.job.state".to_owned(),
            done: vec![json!("finished"), json!(true)],
            again: vec![json!("locked")],
        };
        let long = "x".repeat(5_000);
        let done = |body: Value| Some(Outcome::Completed(json!({ "status": 200, "body": body })));
        let cases = [
            (json!({ "job": { "state": "finished", "id": 7, "log": long } }), done(json!(7)), true),
            (json!({ "job": { "state": true } }), done(json!(null)), true),
            (json!({ "job": { "state": "locked", "id": 7 } }), None, true),
            (json!({ "job": { "state": "broken", "id": 7 } }), None, false),
            (json!({ "job": {} }), None, true),
            (json!("finished"), None, true),
        ];
        for (answer, expected, retryable) in cases {
            let body = answer.to_string();
            let host = serve(Router::new().route("/", post(move || async move { body }))).await;
            let sends = activity(&HttpRequest {
                outcome: Some(outcome.clone()),
                output: Some("$.job.id".to_owned()),
                ..request("http://${target}/")
            });
            let ended = sends.unwrap().attempt(attempt(json!({ "target": host }))).await;
            match (expected, &ended) {
                (Some(expected), _) => assert_eq!(ended, expected),
                (None, Outcome::Failed { retryable: found, .. }) => {
                    assert_eq!(*found, retryable, "{answer}: {ended:?}");
                }
                (None, _) => panic!("{answer}: {ended:?}"),
            }
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_json_has_no_outcome() {
        let host = serve(Router::new().route("/", post(|| async { "<html>" }))).await;
        let output = Some("$..id".to_owned());
        let sends = activity(&HttpRequest { output, ..request("http://${target}/") }).unwrap();
        let outcome = sends.attempt(attempt(json!({ "target": host }))).await;
        let Outcome::Failed { error, retryable: true } = outcome else { panic!("{outcome:?}") };
        assert!(error.ends_with("other than JSON of up to 1048576 bytes: <html>"), "{error}");
    }

    #[tokio::test]
    async fn a_redirect_is_followed_to_listed_hosts_only() {
        use axum::response::Redirect;
        let elsewhere = serve(Router::new().route("/", post(|| async { "there" }))).await;
        let to = format!("http://{elsewhere}/");
        let answer = move || async move { Redirect::temporary(&to) };
        let host = serve(Router::new().route("/", post(answer))).await;
        for (listed, followed) in [(vec![], false), (vec![elsewhere.as_str()], true)] {
            let redirect_to = Hosts::new(listed).unwrap();
            let sends =
                activity(&HttpRequest { redirect_to, ..request("http://${target}/") }).unwrap();
            let outcome = sends.attempt(attempt(json!({ "target": host }))).await;
            match outcome {
                Outcome::Completed(output) if followed => assert_eq!(output["body"], "there"),
                Outcome::Failed { error, .. } if !followed => {
                    assert!(error.contains("answered 307"), "{error}");
                }
                outcome => panic!("{outcome:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_run_chooses_among_listed_hosts_only() {
        let host = serve(Router::new().route("/", post(|| async { "there" }))).await;
        let port = host.rsplit_once(':').unwrap().1;
        for (listed, may) in [
            ("127.0.0.1".to_owned(), true),
            (host.clone(), true),
            (format!("127.0.0.2:{port}"), false),
            ("*.example.com".to_owned(), false),
        ] {
            let hosts = Hosts::new([listed.as_str()]).unwrap();
            let sends = activity(&HttpRequest { hosts, ..request("http://${target}/") }).unwrap();
            match sends.attempt(attempt(json!({ "target": host }))).await {
                Outcome::Completed(output) if may => assert_eq!(output["body"], "there"),
                Outcome::Failed { error, retryable: false } if !may => {
                    assert!(error.contains(&format!("may not contact {host}")), "{error}");
                }
                outcome => panic!("{listed}: {outcome:?}"),
            }
        }
        for (url, needs) in [
            ("http://${target}/", true),
            ("http://h:${port}/", true),
            ("https://${name}.example.com", true),
            ("http://h/${target}", false),
            ("http://h", false),
        ] {
            let found = activity(&HttpRequest { hosts: Hosts::default(), ..request(url) });
            assert_eq!(found.is_err_and(|why| why.contains("comes from the run")), needs, "{url}");
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
        for bad in [
            "http:///${target}/",
            "http://\\${target}/",
            "http://\t/${target}",
            "h/",
            "${url}",
            "ftp://h",
            "http://${target",
        ] {
            assert!(activity(&request(bad)).is_err(), "{bad}");
        }
        let good = request("http://h/");
        assert!(activity(&HttpRequest { method: "A B".into(), ..good.clone() }).is_err());
        assert!(activity(&HttpRequest { expect: vec![42], ..good.clone() }).is_err());
        let output = Some("job.id".to_owned());
        assert!(activity(&HttpRequest { output, ..good.clone() }).is_err());
        let outcome = |at: &str, done| Some(AnswerOutcome { at: at.into(), done, again: vec![] });
        for outcome in [outcome("state", vec![json!("done")]), outcome("$.state", vec![])] {
            assert!(activity(&HttpRequest { outcome, ..good.clone() }).is_err());
        }
        let headers = BTreeMap::from([("a b".to_owned(), template(""))]);
        assert!(activity(&HttpRequest { headers, ..good.clone() }).is_err());
        let text = |content_type: &str| Body::Text {
            text: template(""),
            content_type: content_type.to_owned(),
        };
        assert!(activity(&HttpRequest { body: text("a\nb"), ..good.clone() }).is_err());
        for (name, value, refused) in [
            ("x-a", "a\r\nx-b: c", true),
            ("host", "${target}", true),
            ("Host", "other", false),
            ("x-a", "${target}", false),
        ] {
            let headers = BTreeMap::from([(name.to_owned(), template(value))]);
            let found = activity(&HttpRequest { headers, ..good.clone() });
            assert_eq!(found.is_err(), refused, "{name}: {value}");
        }
    }
}
