//! Why a request was not answered, in words that say what to do about it.

use std::{error::Error, io};

use jiff::Timestamp;
use rustls::{CertificateError, pki_types::UnixTime};

/// What an HTTP client's error says: of TLS in our words, of all else the client's with its causes, which are
/// what says something.
pub(crate) fn told(error: &reqwest::Error) -> String {
    let whole = whole(error);
    let Some(url) = error.url() else { return whole };
    if let Some(tls) = of_tls(error) {
        return format!("{url} was not asked: {}", in_words(tls));
    }
    if url.scheme() == "http" && whole.contains("invalid HTTP version") {
        return format!(
            "{url} answered something other than HTTP; if it speaks TLS, ask it by `https://`"
        );
    }
    whole
}

fn whole(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text = format!("{text}: {one}");
        cause = one.source();
    }
    text
}

/// What is wrong with TLS, where that is the cause.
fn of_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(one) = cause {
        if let Some(tls) = one.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // What an I/O error is made of is not its source.
        let inner = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(inner) = inner {
            return of_tls(inner);
        }
        cause = one.source();
    }
    None
}

fn in_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => of_certificate(why),
        rustls::Error::InvalidMessage(_) => {
            "what is there does not speak TLS; ask it by `http://`, or at its port for `https`"
                .to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!(
            "the server refused the connection (TLS alert {alert:?}); it may want a certificate of the client, which \
             Holdpoint has not, or a version of TLS before 1.2"
        ),
        rustls::Error::PeerIncompatible(why) => format!(
            "the server has no version of TLS, or no cipher, in common with Holdpoint, which speaks TLS 1.2 and 1.3 \
             ({why:?})"
        ),
        other => format!("TLS failed: {other}"),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "its certificate is from an authority that is not trusted here; if that is your own, name the file with the \
             authority's certificate in `ca` of `[tls]`, and if it is another's, let the server send the certificates \
             between"
                .to_owned()
        }
        CertificateError::BadSignature => {
            "its certificate names an authority that is trusted here, and was not signed with its key; if the authority \
             has a new key, name the file with its new certificate in `ca` of `[tls]`"
                .to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "its certificate expired at {}, and it is {} now; renew it, or set this machine's clock",
            shown(*not_after),
            shown(*time)
        ),
        CertificateError::Expired => {
            "its certificate has expired; renew it, or set this machine's clock".to_owned()
        }
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "its certificate is valid only from {}, and it is {} now; set the clock of whichever machine is wrong",
            shown(*not_before),
            shown(*time)
        ),
        CertificateError::NotValidYet => {
            "its certificate is not valid yet; set the clock of whichever machine is wrong".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = match presented.as_slice() {
                [] => "no name at all".to_owned(),
                names => names.iter().map(|name| bare(name)).collect::<Vec<_>>().join(", "),
            };
            format!(
                "its certificate is for {names}, and not for {}; ask it by a name that its certificate has, or give it \
                 one for this name",
                expected.to_str()
            )
        }
        CertificateError::NotValidForName => {
            "its certificate is for another name; ask it by a name that its certificate has".to_owned()
        }
        CertificateError::Revoked => {
            "its certificate was revoked by its authority; give it another".to_owned()
        }
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is one of an authority (as most are that were signed by themselves), and not one of a \
             server; give it one without `CA:TRUE`, and name its authority in `ca` of `[tls]`"
                .to_owned()
        }
        other => format!("its certificate is not acceptable: {other}"),
    }
}

/// The name itself of `DnsName("db-1")` and `IpAddress(10.0.0.1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"')
}

fn shown(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
