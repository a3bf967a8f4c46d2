//! Formatting YAML: one look for all definitions, whoever writes them.
//!
//! Only how a text looks is changed: its indentation, its spaces, its quotes, where its lines break.
//! Every value, the order of the keys, and every comment stay as they are. That is looked at after
//! each formatting, so that a defect in the formatter can spoil no file.

use holdpoint_definition::{
    Diagnostics,
    yaml::{self, Findings, Kind, Node},
};
use pretty_yaml::config::{FormatOptions, LanguageOptions, LayoutOptions, Quotes};
use yaml_parser::SyntaxKind;

/// How wide a line may be before a list or mapping is broken over several, in characters.
const WIDTH: usize = 100;

/// A text cannot be formatted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatFailure {
    /// It is not YAML that can be read.
    #[error("{0}")]
    Unreadable(Box<Diagnostics>),
    /// The formatter does not understand it, or would change more than how it looks.
    #[error("its form is too unusual to be changed without a risk")]
    Unusual,
}

/// Formats a text. `file` is the name that findings show.
///
/// # Errors
/// When the text cannot be read, or its form is too unusual; it should stay as it is then.
pub fn format(file: &str, source: &str) -> Result<String, FormatFailure> {
    let before = read(file, source)?;
    let options = FormatOptions {
        layout: LayoutOptions { print_width: WIDTH, ..LayoutOptions::default() },
        language: LanguageOptions {
            quotes: Quotes::PreferDouble,
            trailing_comma: false,
            ..LanguageOptions::default()
        },
    };
    let formatted =
        pretty_yaml::format_text(source, &options).map_err(|_| FormatFailure::Unusual)?;
    let after = read(file, &formatted).map_err(|_| FormatFailure::Unusual)?;
    let same = is_same(&before, &after) && comments(source)? == comments(&formatted)?;
    if same { Ok(formatted) } else { Err(FormatFailure::Unusual) }
}

fn read(file: &str, source: &str) -> Result<Node, FormatFailure> {
    let mut findings = Findings::new(file, source);
    let node = yaml::read(source, &mut findings);
    let found = findings.finish();
    match node {
        Some(node) if !found.has_errors() => Ok(node),
        _ => Err(FormatFailure::Unreadable(Box::new(found))),
    }
}

/// Whether two trees have the same values in the same order, wherever they stand.
fn is_same(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Null, Kind::Null) => true,
        (Kind::Bool(one), Kind::Bool(other)) => one == other,
        (Kind::Int(one), Kind::Int(other)) => one == other,
        (Kind::Float(one), Kind::Float(other)) => one.to_bits() == other.to_bits(),
        (Kind::Text(one), Kind::Text(other)) => one == other,
        (Kind::List(one), Kind::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| is_same(a, b))
        }
        (Kind::Map(one), Kind::Map(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((key, a), (other, b))| key.name == other.name && is_same(a, b))
        }
        _ => false,
    }
}

/// The comments of a text, in their order.
fn comments(source: &str) -> Result<Vec<String>, FormatFailure> {
    let tree = yaml_parser::parse(source).map_err(|_| FormatFailure::Unusual)?;
    Ok(tree
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| token.kind() == SyntaxKind::COMMENT)
        .map(|token| token.text().trim_end().to_owned())
        .collect())
}
