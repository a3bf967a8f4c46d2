//! Ids and names. Each is its own type, so that one is never taken for another.
//!
//! Names are made only by parsing ([`FromStr`]); UUIDs are handed in by the shell, which alone
//! may draw random numbers.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize, Serializer, ser::Error as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A text is not a well-formed id or name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {what}: {expected}")]
pub struct MalformedId {
    what: &'static str,
    given: String,
    expected: &'static str,
}

impl MalformedId {
    pub(crate) fn new(what: &'static str, given: String, expected: &'static str) -> Self {
        Self { what, given, expected }
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that the shell has made.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                Uuid::try_parse(text).map(Self).map_err(|_| MalformedId {
                    what: $what,
                    given: text.to_owned(),
                    expected: "expected a UUID such as 01900000-0000-7000-8000-000000000001",
                })
            }
        }
    };
}

uuid_id!(
    /// Identifies an event; a UUIDv7, so that ids sort by the time they were made.
    EventId,
    "event id"
);
uuid_id!(
    /// Identifies a command. The same id twice gets the same answer once.
    CommandId,
    "command id"
);
uuid_id!(
    /// Identifies a run: it is the id of the command that started it, so that a submission
    /// sent twice starts one run.
    RunId,
    "run id"
);

impl RunId {
    /// The id of the run that this one starts for an effect: always the same, so that starting it twice
    /// starts one. Its first 48 bits, the time, are this run's.
    #[must_use]
    pub fn child(self, effect: &EffectId) -> Self {
        let name = Digest::of(format!("{self}/{effect}").as_bytes());
        let mut bytes = *self.0.as_bytes();
        for (byte, of) in bytes.iter_mut().zip(name.as_bytes()).skip(6) {
            *byte = *of;
        }
        let uuid = uuid::Builder::from_bytes(bytes)
            .with_version(uuid::Version::SortRand)
            .with_variant(uuid::Variant::RFC4122);
        Self(uuid.into_uuid())
    }
}

impl CommandId {
    /// The id of the command to one of several runs, or to a part of one, where the whole has this
    /// id: always the same, so that whoever sends the whole again does nothing twice.
    #[must_use]
    pub fn to_one_of_several(self, run: RunId, part: Option<&str>) -> Self {
        let mut digesting = Digesting::default();
        digesting.add(self.0.as_bytes());
        digesting.add(run.0.as_bytes());
        digesting.add(part.unwrap_or_default().as_bytes());
        let digest = digesting.finish();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl From<CommandId> for RunId {
    fn from(command: CommandId) -> Self {
        Self(command.0)
    }
}

/// The longest name, in bytes.
pub const NAME_LENGTH_MAX: usize = 63;

/// Which texts can be names: they begin and end with a letter or digit.
#[derive(Clone, Copy)]
pub(crate) struct NameRule {
    /// The longest, in bytes.
    pub(crate) length_max: usize,
    /// Whether they may have capital letters.
    pub(crate) capitals: bool,
    /// What else they may have inside.
    pub(crate) also: &'static [u8],
}

impl NameRule {
    pub(crate) fn allow(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let plain = |b: &u8| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || self.capitals && b.is_ascii_uppercase()
        };
        text.len() <= self.length_max
            && bytes.first().is_some_and(plain)
            && bytes.last().is_some_and(plain)
            && bytes.iter().all(|b| plain(b) || self.also.contains(b))
    }
}

const fn lowercase(also: &'static [u8]) -> NameRule {
    NameRule { length_max: NAME_LENGTH_MAX, capitals: false, also }
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = MalformedId;

            fn try_from(text: String) -> Result<Self, MalformedId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                if $allowed.allow(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(MalformedId::new($what, text.to_owned(), $expected))
                }
            }
        }
    };
}
pub(crate) use name_id;

name_id!(
    /// Names a project.
    ProjectId,
    "project name",
    lowercase(b"-"),
    "expected at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
);
name_id!(
    /// Names a member of a project: a person or a program that acts in it.
    MemberId,
    "member name",
    lowercase(b"-._@"),
    "expected at most 63 of a-z, 0-9, -, ., _ and @, beginning and ending with a letter or digit"
);
name_id!(
    /// Names a role that members of a project hold.
    RoleName,
    "role name",
    lowercase(b"-"),
    "expected at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
);
name_id!(
    /// Names a domain in which a member can be qualified, such as `network`.
    QualificationName,
    "qualification",
    lowercase(b"-"),
    "expected at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
);
name_id!(
    /// Names a calendar of a project.
    CalendarName,
    "calendar name",
    lowercase(b"-"),
    "expected at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
);
name_id!(
    /// Names a baseline of a project.
    BaselineName,
    "baseline name",
    lowercase(b"-"),
    "expected at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
);
name_id!(
    /// Names a workflow definition; its versions share the name.
    DefinitionName,
    "definition name",
    lowercase(b"-"),
    "expected at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
);

/// Names an effect within its run, for ever the same: it does not depend on when it is asked for.
///
/// The workflow chooses the text. With the run's id before it, it is the idempotency key of
/// every attempt at the effect.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(String);

impl EffectId {
    /// Names an effect.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EffectId({})", self.0)
    }
}

/// A SHA-256 digest; as text `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The digest of bytes that come piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Digesting(Sha256);

impl Digesting {
    /// Adds the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const BEFORE: &[u8] = b"sha256:";
        let mut text = [0; BEFORE.len() + 64];
        let (before, digits) = text.split_at_mut(BEFORE.len());
        before.copy_from_slice(BEFORE);
        hex::encode_to_slice(self.0, digits).map_err(S::Error::custom)?;
        serializer.serialize_str(str::from_utf8(&text).map_err(S::Error::custom)?)
    }
}

impl TryFrom<String> for Digest {
    type Error = MalformedId;

    fn try_from(text: String) -> Result<Self, MalformedId> {
        let mut bytes = [0; 32];
        let decoded = text
            .strip_prefix("sha256:")
            .is_some_and(|digits| hex::decode_to_slice(digits, &mut bytes).is_ok());
        if decoded {
            Ok(Self(bytes))
        } else {
            Err(MalformedId {
                what: "digest",
                given: text,
                expected: "expected `sha256:` and 64 hexadecimal digits",
            })
        }
    }
}

impl FromStr for Digest {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        Self::try_from(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_made_only_by_parsing() {
        for good in ["a", "core-network", "x1", &"a".repeat(63)] {
            assert!(good.parse::<ProjectId>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a/b", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<ProjectId>().is_err(), "{bad}");
            assert!(serde_json::from_value::<ProjectId>(bad.into()).is_err(), "{bad}");
        }
        assert!("grace.hopper@navy".parse::<MemberId>().is_ok());
    }

    #[test]
    fn names_differ_in_what_they_may_contain() {
        for (text, is_member) in [
            ("grace.hopper@navy", true),
            ("a_b", true),
            ("a.b", true),
            (".a", false),
            ("a@", false),
            ("@", false),
            ("member:ada", false),
            ("a\n", false),
            ("a\0b", false),
        ] {
            assert_eq!(text.parse::<MemberId>().is_ok(), is_member, "{text:?}");
            assert!(text.parse::<ProjectId>().is_err(), "{text:?}");
            assert!(text.parse::<RoleName>().is_err(), "{text:?}");
            assert!(text.parse::<QualificationName>().is_err(), "{text:?}");
            assert!(text.parse::<DefinitionName>().is_err(), "{text:?}");
        }
        assert_eq!(
            "A b".parse::<RoleName>().unwrap_err().to_string(),
            "`A b` is not a role name: expected at most 63 of a-z, 0-9 and -, beginning and \
             ending with a letter or digit"
        );
    }

    #[test]
    fn a_command_to_several_runs_has_an_id_of_its_own_for_each() {
        let id = |n| CommandId::from_uuid(Uuid::from_u128(n));
        let run = |n| RunId::from_uuid(Uuid::from_u128(n));
        let mut ids = std::collections::BTreeSet::new();
        for (whole, one, part) in
            [(1, 1, None), (1, 2, None), (2, 1, None), (1, 1, Some("go")), (1, 1, Some("went"))]
        {
            let each = id(whole).to_one_of_several(run(one), part);
            assert_eq!(each, id(whole).to_one_of_several(run(one), part));
            assert_eq!(each.as_uuid().get_version_num(), 8);
            assert!(ids.insert(each), "{whole}, {one}, {part:?}");
        }
        assert!(!ids.contains(&id(1)) && !ids.contains(&id(2)));
        // Whoever repeats a command does so with another version of the program, too.
        let first = id(1).to_one_of_several(run(1), None).to_string();
        assert_eq!(first, "9cd6bbc0-a239-86dd-93c4-7c3585d2e8a4");
    }

    proptest! {
        #[test]
        fn a_name_prints_as_it_was_parsed(name in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?") {
            let id: ProjectId = name.parse().unwrap();
            prop_assert_eq!(id.to_string(), name.as_str());
            prop_assert_eq!(id.as_str(), name.as_str());
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<ProjectId>(&json).unwrap(), id);
        }

        #[test]
        fn a_uuid_prints_as_it_was_parsed(number in any::<u128>()) {
            let id = CommandId::from_uuid(Uuid::from_u128(number));
            let text = id.to_string();
            prop_assert_eq!(text.parse::<CommandId>().unwrap(), id);
            prop_assert_eq!(RunId::from(id).to_string(), text.as_str());
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(&json, &format!("\"{text}\""));
            prop_assert_eq!(serde_json::from_str::<CommandId>(&json).unwrap(), id);
        }

        #[test]
        fn a_digest_prints_as_it_was_parsed(bytes: [u8; 32]) {
            let digest = Digest(bytes);
            prop_assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        }
    }

    #[test]
    fn what_is_not_a_uuid_is_no_id() {
        let good = "01900000-0000-7000-8000-000000000001";
        assert!(good.parse::<EventId>().is_ok());
        let (cut, spaced, doubled) =
            (good.trim_start_matches('0'), format!(" {good}"), format!("{good}{good}"));
        for bad in ["", "run-1", cut, spaced.as_str(), doubled.as_str()] {
            let message = bad.parse::<RunId>().unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{bad}` is not a run id: ")), "{message}");
            assert!(serde_json::from_value::<RunId>(bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_reads_back_what_it_writes() {
        // The digest of the empty text, from FIPS 180-4's examples.
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.parse::<Digest>().unwrap(), Digest::of(b""));
        assert!("sha256:00".parse::<Digest>().is_err());
        assert!(empty.trim_start_matches("sha256:").parse::<Digest>().is_err());
    }
}
