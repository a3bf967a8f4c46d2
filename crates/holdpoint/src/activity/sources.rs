//! Where secrets come from: `${env:NAME}` is a variable of the environment, `${file:PATH}` the content of a file.
//!
//! What was taken from there is masked wherever it comes back. What is not there is noted and not
//! guessed: only who does the work needs it.

use std::{fs::File, io::Read, path::Path};

/// No secret is longer, in bytes.
const SECRET_MAX: u64 = 65_536;

/// What to do about a secret that is not there.
pub(crate) const HELP_SECRET: &str = "give it to whoever does the work: the variable where `holdpoint work` is \
    started, or a file that only its user can read; a relative path is found from the data directory";

/// Takes secrets from where the operator says that they are.
pub(crate) struct Sources<'a> {
    directory: &'a Path,
    /// What was taken.
    pub(crate) taken: Vec<String>,
    /// The first that was not there since this was looked at, in words.
    pub(crate) missing: Option<String>,
}

impl<'a> Sources<'a> {
    /// Relative paths are found from `directory`.
    pub(crate) const fn new(directory: &'a Path) -> Self {
        Self { directory, taken: Vec::new(), missing: None }
    }

    /// The value behind a reference such as `env:TOKEN`, and nothing where it is missing. `accept` says what is
    /// wrong with a value for where it is to stand.
    ///
    /// # Errors
    /// When it is no reference.
    pub(crate) fn take(
        &mut self,
        reference: &str,
        accept: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Result<String, String> {
        let (what, value) = match reference.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                (format!("the variable `{name}`"), variable(name))
            }
            Some(("file", path)) if !path.is_empty() => {
                let path = self.directory.join(path);
                (format!("the file `{}`", path.display()), content(&path))
            }
            _ => {
                return Err(format!(
                    "`${{{reference}}}` is no secret: write `${{env:NAME}}` for a variable of the environment, \
                     or `${{file:PATH}}` for the content of a file"
                ));
            }
        };
        let value = value.and_then(|value| match value.trim_end_matches(['\r', '\n']) {
            "" => Err("is empty".to_owned()),
            value => accept(value).map(|()| value.to_owned()).map_err(str::to_owned),
        });
        Ok(match value {
            Ok(value) => {
                self.taken.push(value.clone());
                value
            }
            Err(why) => {
                self.missing.get_or_insert_with(|| format!("{what} {why}"));
                String::new()
            }
        })
    }
}

fn variable(name: &str) -> Result<String, String> {
    let value = std::env::var_os(name).ok_or("is not set")?;
    value.into_string().map_err(|_| "is not UTF-8 text".to_owned())
}

fn content(path: &Path) -> Result<String, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    // What is no file could be waited for without end.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(SECRET_MAX.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > SECRET_MAX {
        return Err(format!("is larger than {SECRET_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_is_there_or_it_is_told_why_not() {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
        write("token", b"s3cret\r\n\n");
        write("lines", b"a\nb\n");
        write("nothing", b"\n");
        write("bytes", b"\xff");
        write("long", &[b'x'; 65_537]);
        let one_line =
            |value: &str| if value.contains('\n') { Err("has a line break") } else { Ok(()) };
        let path = std::env::var("PATH").unwrap();
        for (reference, found) in [
            ("file:token", Ok("s3cret")),
            ("env:PATH", Ok(path.as_str())),
            ("file:lines", Err("lines` has a line break")),
            ("file:nothing", Err("nothing` is empty")),
            ("file:bytes", Err("bytes` is not UTF-8 text")),
            ("file:long", Err("long` is larger than 65536 bytes")),
            ("file:.", Err("is not a file")),
            ("file:none", Err("none` cannot be read: No such file")),
            ("env:HOLDPOINT_NO_SUCH_VARIABLE", Err("VARIABLE` is not set")),
        ] {
            let mut sources = Sources::new(directory.path());
            let value = sources.take(reference, one_line).unwrap();
            match found {
                Ok(found) => assert_eq!((value.as_str(), &sources.missing), (found, &None)),
                Err(why) => {
                    assert!(sources.missing.unwrap().contains(why), "{reference}");
                    assert_eq!((value.as_str(), sources.taken.len()), ("", 0));
                }
            }
        }
        for bad in ["env:", "file:", "vault:x", "env:A=B"] {
            assert!(Sources::new(directory.path()).take(bad, one_line).is_err(), "{bad}");
        }
    }
}
