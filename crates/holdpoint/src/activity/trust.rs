//! Whom to trust behind `https://`: the system's certificate authorities, and the operator's own.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use reqwest::{Client, redirect};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::hosts::Hosts;

/// How many redirects are followed at most.
const REDIRECTS_MAX: usize = 10;

/// The certificate authorities that are trusted. Clones share what was read.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    own: Arc<Vec<CertificateDer<'static>>>,
    /// The system's are read when the first request needs them.
    all: Arc<OnceLock<RootCertStore>>,
}

impl Trust {
    /// Besides the system's, trusts the authorities whose certificates are in these files, as PEM.
    ///
    /// # Errors
    /// In words, which file has no certificate, or cannot be read.
    pub fn with<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Result<Self, String> {
        let mut own = Vec::new();
        for file in files {
            let file = file.as_ref();
            let failed = |error: &dyn std::fmt::Display| format!("`{}`: {error}", file.display());
            let found = CertificateDer::pem_file_iter(file).map_err(|error| failed(&error))?;
            let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| failed(&error))?;
            if found.is_empty() {
                return Err(failed(&"there is no certificate in it"));
            }
            let mut store = RootCertStore::empty();
            for one in &found {
                store.add(one.clone()).map_err(|error| failed(&error))?;
            }
            own.extend(found);
        }
        Ok(Self { own: Arc::new(own), all: Arc::default() })
    }

    fn roots(&self) -> RootCertStore {
        let all = self.all.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let system = rustls_native_certs::load_native_certs();
            for error in system.errors {
                tracing::warn!(%error, "certificates of the system could not be read");
            }
            roots.add_parsable_certificates(system.certs);
            roots.add_parsable_certificates(self.own.iter().cloned());
            roots
        });
        all.clone()
    }

    /// A client that goes nowhere but where it is told, and is redirected only to these hosts, and
    /// from `https` only to `https`. Without `secure` it trusts nobody, so that nothing is read.
    ///
    /// # Errors
    /// In words, when TLS cannot be set up.
    pub fn client(&self, secure: bool, redirects: Hosts) -> Result<Client, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = if secure { self.roots() } else { RootCertStore::empty() };
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let follow = redirect::Policy::custom(move |attempt| {
            let url = attempt.url();
            let port = url.port_or_known_default().unwrap_or_default();
            let is_listed = url.host_str().is_some_and(|host| redirects.allow(host, port));
            let from = attempt.previous().last().map(reqwest::Url::scheme);
            let keeps_secrets = url.scheme() == "https" || from != Some("https");
            if is_listed && keeps_secrets && attempt.previous().len() <= REDIRECTS_MAX {
                attempt.follow()
            } else {
                attempt.stop()
            }
        });
        Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(follow)
            .no_proxy()
            .build()
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use axum::http::StatusCode;
    use holdpoint_core::Outcome;
    use holdpoint_engine::ActivityHandler;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};
    use serde_json::json;
    use tempfile::NamedTempFile;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsAcceptor;

    use super::{
        super::{HealthCheck, HttpActivity, HttpRequest, tests::attempt},
        *,
    };

    /// An authority of one's own, and the file with its certificate.
    fn authority() -> (CertifiedIssuer<'static, KeyPair>, NamedTempFile) {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), issuer.pem()).unwrap();
        (issuer, file)
    }

    /// A server whose certificate, for `name`, is from `authority`, and that answers everything so.
    async fn serve(
        authority: &CertifiedIssuer<'static, KeyPair>,
        name: &str,
        answer: String,
    ) -> String {
        serve_as(authority, CertificateParams::new(vec![name.to_owned()]).unwrap(), answer).await
    }

    /// The same, with any certificate.
    async fn serve_as(
        authority: &CertifiedIssuer<'static, KeyPair>,
        params: CertificateParams,
        answer: String,
    ) -> String {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Who does not trust it breaks off.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = Vec::new();
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap() == 0 {
                        break;
                    }
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
            }
        });
        host
    }

    fn good() -> String {
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ntrue".to_owned()
    }

    async fn send(host: &str, trust: &Trust, redirect_to: Hosts) -> Outcome {
        let url = "https://${target}/".to_owned();
        let (method, hosts) = ("GET".to_owned(), Hosts::new(["*"]).unwrap());
        let request = HttpRequest { method, url, hosts, redirect_to, ..HttpRequest::default() };
        let activity = HttpActivity::new(&request, trust).unwrap();
        activity.attempt(attempt(json!({ "target": host }))).await
    }

    #[tokio::test]
    async fn a_server_is_trusted_by_the_operators_authority_alone_and_under_its_name() {
        let (ours, file) = authority();
        let (_, of_others) = authority();
        let host = serve(&ours, "127.0.0.1", good()).await;
        let trust = Trust::with([file.path()]).unwrap();
        let done = json!({ "status": 200, "body": true });
        assert_eq!(send(&host, &trust, Hosts::default()).await, Outcome::Completed(done));

        let elsewhere = serve(&ours, "db-1.example.com", good()).await;
        let others = Trust::with([of_others.path()]).unwrap();
        let valid = |from: (i32, u8), until: (i32, u8)| {
            let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(from.0, from.1, 1);
            params.not_after = rcgen::date_time_ymd(until.0, until.1, 1);
            params
        };
        let expired = serve_as(&ours, valid((2001, 1), (2002, 2)), good()).await;
        let early = serve_as(&ours, valid((4001, 1), (4002, 2)), good()).await;
        let mut own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = serve_as(&ours, own, good()).await;
        let plain = axum::Router::new().fallback(|| async { StatusCode::OK });
        let plain = super::super::tests::serve(plain).await;
        for (host, trust, says) in [
            (
                &host,
                &Trust::default(),
                "from an authority that is not trusted here; if that is your own",
            ),
            (&host, &others, "was not signed with its key"),
            (&elsewhere, &trust, "is for db-1.example.com, and not for 127.0.0.1"),
            (&expired, &trust, "expired at 2002-02-01T00:00:00Z, and it is "),
            (&early, &trust, "valid only from 4001-01-01T00:00:00Z, and"),
            (&own, &trust, "its certificate is one of an authority"),
            (&plain, &trust, "does not speak TLS; ask it by `http://`"),
        ] {
            let outcome = send(host, trust, Hosts::default()).await;
            let Outcome::Failed { error, retryable: true } = outcome else { panic!("{outcome:?}") };
            assert!(error.starts_with(&format!("https://{host}/ was not asked: ")), "{error}");
            assert!(error.contains(says), "{error}");
        }
    }

    #[tokio::test]
    async fn who_speaks_tls_and_is_asked_without_is_told_apart() {
        let (ours, _) = authority();
        let host = serve(&ours, "127.0.0.1", good()).await;
        let url = format!("http://{host}/");
        let request = HttpRequest { method: "GET".to_owned(), url, ..HttpRequest::default() };
        let activity = HttpActivity::new(&request, &Trust::default()).unwrap();
        let outcome = activity.attempt(attempt(json!({}))).await;
        let Outcome::Failed { error, retryable: true } = outcome else { panic!("{outcome:?}") };
        assert!(error.contains("ask it by `https://`"), "{error}");
    }

    #[tokio::test]
    async fn a_health_check_goes_by_https_too() {
        let (ours, file) = authority();
        let host = serve(&ours, "127.0.0.1", good()).await;
        let check = HealthCheck::new(Hosts::new(["127.0.0.1"]).unwrap(), [].into(), [].into());
        let check = check.unwrap().trusting(Trust::with([file.path()]).unwrap()).unwrap();
        let url = format!("https://{host}/");
        let input = json!({ "url": url, "expect": 200, "for_ms": 0, "every_ms": 10 });
        let Outcome::Completed(told) = check.attempt(attempt(input)).await else { panic!() };
        assert_eq!(told["verdict"], "passed", "{told}");
    }

    #[tokio::test]
    async fn nobody_is_redirected_from_https_to_http() {
        let (ours, file) = authority();
        let plain = axum::Router::new().fallback(|| async { (StatusCode::OK, "read by all") });
        let plain = super::super::tests::serve(plain).await;
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{plain}/\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n"
        );
        let host = serve(&ours, "127.0.0.1", answer).await;
        let trust = Trust::with([file.path()]).unwrap();
        let outcome = send(&host, &trust, Hosts::new(["*"]).unwrap()).await;
        let Outcome::Failed { error, .. } = outcome else { panic!("{outcome:?}") };
        assert!(error.contains("answered 307"), "{error}");
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = NamedTempFile::new().unwrap();
        for text in
            ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            fs::write(file.path(), text).unwrap();
            let failure = Trust::with([file.path()]).unwrap_err();
            assert!(failure.contains(file.path().to_str().unwrap()), "{failure}");
        }
        assert!(Trust::with([Path::new("/no/such/file")]).is_err());
    }
}
