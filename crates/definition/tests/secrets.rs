//! Secrets that are written out in a definition.

use holdpoint_definition::Definition;

#[test]
fn what_hardly_can_be_anything_but_a_secret_is_told() {
    let source = |text: &str| {
        format!(
            "
workflow: sample
version: 1
title: A sample
input: {{ type: object, properties: {{ a: {{ type: string, default: x }} }} }}
start: work
states:
  work:
    do: {{ activity: {{ run: work, with: {{ text: '{text}' }} }} }}
    on: {{ succeeded: done, failed: done }}
  done: {{ end: done }}
"
        )
    };
    for (text, what) in [
        ("Bearer 0a1b2c3d4e5f6a7b8c9d", Some("credentials")),
        ("Authorization: Basic ZGVwbG95Omh1bnRlcjI=", Some("credentials")),
        ("token=ghp_0123456789abcdefghijklmnopqrstuvwxyz", Some("a token")),
        ("xghp_0123456789abcdefghijklmnopqrstuvwxyz", None),
        ("the token ghp_0123456789abcdefghijklmnopqrstuvwxyz", Some("a token")),
        ("AKIAIOSFODNN7EXAMPLE", Some("a token")),
        ("AKIAIOSFODNN7", None),
        ("-----BEGIN RSA PRIVATE KEY----- MII", Some("a private key")),
        ("-----BEGIN CERTIFICATE----- MII", None),
        ("postgres://app:hunter2@db-1/app", Some("an address with a password in it")),
        ("postgres://app:${input.a}@db-1/app", None),
        ("postgres://app@db-1:5432/app", None),
        ("https://example.com/a:b@c", None),
        ("Bearer ${input.a}", None),
        ("Bearer of the certificate-of-competence", None),
        ("Basic understanding-of-everything-else", None),
        ("sha256:02f07c6ab62afebaa1cd27b1935c6e40dd5deceb7f38eddca455d2def087ff0b", None),
        ("refs/heads/ghp_x", None),
    ] {
        let found = Definition::parse("sample.yaml", &source(text)).unwrap().warnings;
        let told: Vec<&str> = found.iter().map(|one| one.message.as_str()).collect();
        match what {
            None => assert!(told.is_empty(), "{text}: {told:?}"),
            Some(what) => {
                assert_eq!(told.len(), 1, "{text}");
                assert!(
                    told[0].starts_with(&format!("this looks like {what}, ")),
                    "{text}: {told:?}"
                );
            }
        }
    }
}
