//! Reads the texts of the operator's configuration that may have secrets in them.

use std::{collections::BTreeMap, path::Path};

use toml::Spanned;

use super::{ConfigurationFailure, failure_at};
use crate::activity::{HELP_SECRET, NOT_IN_HEADERS, Sources, Template, is_header_value};

/// The file, and the secrets that were taken for it.
pub(super) struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    sources: Sources<'a>,
    /// What is not there.
    pub(super) missing: Vec<ConfigurationFailure>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str, directory: &'a Path) -> Self {
        Self { path, text, sources: Sources::new(directory), missing: Vec::new() }
    }

    pub(super) fn failure(&self, offset: usize, message: &str, help: &str) -> ConfigurationFailure {
        failure_at(self.path, self.text, offset, message, help)
    }

    /// What was taken from the environment and from files.
    pub(super) fn taken(&self) -> impl Iterator<Item = String> {
        self.sources.taken.iter().cloned()
    }

    /// A text, which stands at `at`. `accept` says what is wrong with a secret that is to stand in it. One that is
    /// missing is noted, and the text has nothing there.
    pub(super) fn template(
        &mut self,
        text: &str,
        at: usize,
        accept: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Result<Template, ConfigurationFailure> {
        let secret = |reference: &str| self.sources.take(reference, &accept);
        let template = Template::with_secrets(text, secret);
        if let Some(message) = self.sources.missing.take() {
            self.missing.push(self.failure(at, &message, HELP_SECRET));
        }
        template.map_err(|message| {
            let help = "`${field}` is a member of the activity's input, `${env:NAME}` a variable of the \
                environment, `${file:PATH}` the content of a file, and `$${` a plain `${`";
            self.failure(at, &message, help)
        })
    }

    pub(super) fn headers(
        &mut self,
        headers: &BTreeMap<String, Spanned<String>>,
    ) -> Result<BTreeMap<String, Template>, ConfigurationFailure> {
        let fits = |text: &str| if is_header_value(text) { Ok(()) } else { Err(NOT_IN_HEADERS) };
        let each = |(name, value): (&String, &Spanned<String>)| {
            let at = value.span().start;
            Ok((name.clone(), self.template(value.get_ref(), at, fits)?))
        };
        headers.iter().map(each).collect()
    }

    /// The variables of a program. What is in them is the operator's alone: they have no fields.
    pub(super) fn environment(
        &mut self,
        variables: &BTreeMap<String, Spanned<String>>,
    ) -> Result<BTreeMap<String, String>, ConfigurationFailure> {
        let fits =
            |text: &str| if text.contains('\0') { Err("has a null character") } else { Ok(()) };
        let each = |(name, value): (&String, &Spanned<String>)| {
            let at = value.span().start;
            let template = self.template(value.get_ref(), at, fits)?;
            match template.text() {
                Some(text) => Ok((name.clone(), text.to_owned())),
                None => Err(self.failure(
                    at,
                    &format!("the variable `{name}` has a field"),
                    "give the field as an argument, or have the program read the input from its standard input; \
                     a plain `${` is written `$${`",
                )),
            }
        };
        variables.iter().map(each).collect()
    }
}
