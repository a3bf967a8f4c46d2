//! Which variables of an inventory look as if they held secrets.

/// Parts of the names of variables that hold secrets, whatever separates their words.
const SECRETS: [&str; 11] = [
    "pass",
    "secret",
    "token",
    "credential",
    "vault",
    "bearer",
    "privatekey",
    "apikey",
    "sshkey",
    "accesskey",
    "connectionstring",
];

/// Words in the names of variables that hold secrets.
const SECRET_WORDS: [&str; 4] = ["pw", "pwd", "key", "auth"];

/// Whether a variable looks as if it held a secret: by its name, or because its value is a URL with
/// somebody's credentials.
pub(crate) fn looks_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = || name.split(|letter: char| !letter.is_ascii_alphanumeric());
    let joined: String = words().collect();
    let authority = value.split_once("://").map(|(_, rest)| rest.split('/').next());
    SECRETS.iter().any(|part| joined.contains(part))
        || words().any(|word| SECRET_WORDS.contains(&word))
        || authority.flatten().is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names_and_by_credentials_in_addresses() {
        for (name, value) in [
            ("db_password", "hunter2"),
            ("db_pw", "hunter"),
            ("PWD_X", "1"),
            ("api-key", "foo"),
            ("APIKEY", "foo"),
            ("ssh_key", "k"),
            ("aws_access_key", "AKIA"),
            ("auth", "abc"),
            ("bearer", "zzz"),
            ("connection_string", "abc"),
            ("url", "http://u:p@h/x"),
        ] {
            assert!(looks_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("env", "prod"),
            ("keyboard", "de"),
            ("author", "ada"),
            ("url", "http://h/x@y"),
            ("mail", "ada@example.com"),
        ] {
            assert!(!looks_secret(name, value), "{name}={value}");
        }
    }
}
