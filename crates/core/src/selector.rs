//! Selecting items by their labels, groups and names, in the words of Kubernetes' label selectors.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::item::{Item, ItemName, Items, LabelName};

/// The longest selector, in bytes.
const SELECTOR_BYTES_MAX: usize = 4_096;

/// What items must be like: all of its terms, separated by commas.
///
/// | term | which items |
/// |---|---|
/// | `env=prod`, `env==prod` | whose label `env` is `prod` |
/// | `env!=prod` | whose label `env` is something else, or that have none |
/// | `role in (web, api)` | whose label `role` is one of these |
/// | `role notin (web, api)` | whose label `role` is none of these, or that have none |
/// | `legacy` | that have the label `legacy` |
/// | `!legacy` | that do not have it |
///
/// `name` stands for the item's name, which every item has, and `group` for each group that it is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector {
    text: String,
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    key: String,
    test: Test,
    /// Whether the items are meant that do not meet the test.
    not: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    OneOf(BTreeSet<String>),
}

/// A text is not a selector: where in it (in bytes), and why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this does not select items: {reason}")]
pub struct MalformedSelector {
    /// Where in the text, in bytes.
    pub at: usize,
    /// What is wrong there; lower case, no full stop.
    pub reason: String,
}

impl Selector {
    /// Whether an item is meant.
    #[must_use]
    pub fn matches(&self, name: &ItemName, item: &Item) -> bool {
        self.terms.iter().all(|term| {
            let met = match (&term.test, term.key.as_str()) {
                (Test::Exists, "name") => true,
                (Test::Exists, "group") => !item.groups.is_empty(),
                (Test::Exists, key) => item.labels.contains_key(key),
                (Test::OneOf(values), "name") => values.contains(name.as_str()),
                (Test::OneOf(values), "group") => {
                    item.groups.iter().any(|group| values.contains(group.as_str()))
                }
                (Test::OneOf(values), key) => {
                    item.labels.get(key).is_some_and(|value| values.contains(value))
                }
            };
            met != term.not
        })
    }

    /// The items that are meant, by name.
    pub fn select<'i>(&self, items: &'i Items) -> impl Iterator<Item = (&'i ItemName, &'i Item)> {
        items.iter().filter(|(name, item)| self.matches(name, item))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.text
    }
}

impl TryFrom<String> for Selector {
    type Error = MalformedSelector;

    fn try_from(text: String) -> Result<Self, MalformedSelector> {
        text.parse()
    }
}

impl FromStr for Selector {
    type Err = MalformedSelector;

    fn from_str(text: &str) -> Result<Self, MalformedSelector> {
        let mut reader = Reader { text, at: 0 };
        if text.len() > SELECTOR_BYTES_MAX {
            return Err(reader.fault(format!("it has more than {SELECTOR_BYTES_MAX} bytes")));
        }
        let mut terms = vec![reader.term()?];
        while reader.takes(",") {
            terms.push(reader.term()?);
        }
        if !reader.rest().is_empty() {
            return Err(reader.fault("terms are separated by commas"));
        }
        Ok(Self { text: text.trim().to_owned(), terms })
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

fn is_bare(c: char) -> bool {
    c.is_alphanumeric() || "-._:@/+".contains(c)
}

impl<'t> Reader<'t> {
    fn fault(&self, reason: impl Into<String>) -> MalformedSelector {
        MalformedSelector { at: self.at, reason: reason.into() }
    }

    /// What is left, without the blanks before it.
    fn rest(&mut self) -> &'t str {
        let left = self.text.get(self.at..).unwrap_or_default();
        let rest = left.trim_start();
        self.at = self.at.saturating_add(left.len().saturating_sub(rest.len()));
        rest
    }

    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn takes(&mut self, what: &str) -> bool {
        let there = self.rest().starts_with(what);
        if there {
            self.skip(what.len());
        }
        there
    }

    fn bare(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_bare(c)).unwrap_or(rest.len());
        self.skip(end);
        rest.get(..end).unwrap_or_default()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let before = self.at;
        let there = self.bare() == word;
        if !there {
            self.at = before;
        }
        there
    }

    fn term(&mut self) -> Result<Term, MalformedSelector> {
        let absent = !self.rest().starts_with("!=") && self.takes("!");
        self.rest();
        let from = self.at;
        let key = self.bare();
        if key.is_empty() {
            return Err(self.fault("the name of a label is expected here, such as `env`"));
        }
        if !matches!(key, "name" | "group") && key.parse::<LabelName>().is_err() {
            self.at = from;
            return Err(self.fault(format!("`{key}` is not the name of a label")));
        }
        let key = key.to_owned();
        if absent {
            return Ok(Term { key, test: Test::Exists, not: true });
        }
        let (values, not) = if self.takes("!=") {
            (BTreeSet::from([self.value()?]), true)
        } else if self.takes("==") || self.takes("=") {
            (BTreeSet::from([self.value()?]), false)
        } else if self.takes_word("in") {
            (self.values()?, false)
        } else if self.takes_word("notin") {
            (self.values()?, true)
        } else {
            return Ok(Term { key, test: Test::Exists, not: false });
        };
        Ok(Term { key, test: Test::OneOf(values), not })
    }

    fn values(&mut self) -> Result<BTreeSet<String>, MalformedSelector> {
        if !self.takes("(") {
            return Err(self.fault("a list is expected here, such as `(web, api)`"));
        }
        let mut values = BTreeSet::from([self.value()?]);
        while self.takes(",") {
            values.insert(self.value()?);
        }
        if !self.takes(")") {
            return Err(self.fault("the list is not closed by `)`"));
        }
        Ok(values)
    }

    /// A bare word, or any text in quotes.
    fn value(&mut self) -> Result<String, MalformedSelector> {
        let rest = self.rest();
        for quote in ['"', '\''] {
            let Some(quoted) = rest.strip_prefix(quote) else { continue };
            let Some(end) = quoted.find(quote) else {
                return Err(self.fault(format!("the text is not closed by {quote}")));
            };
            self.skip(end.saturating_add(2));
            return Ok(quoted.get(..end).unwrap_or_default().to_owned());
        }
        let value = self.bare();
        if value.is_empty() {
            return Err(self.fault("a value is expected here, such as `prod` or `\"two words\"`"));
        }
        Ok(value.to_owned())
    }
}
