//! What the two processes say to each other: frames, each a byte for its kind, its length and so many
//! bytes.
//!
//! What comes from the other side is not trusted: a frame is bounded, what it claims to be long is
//! not believed before it has come, and what cannot be read ends this one connection.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use holdpoint::core::{CommandId, Sequence};
use serde::{Deserialize, Serialize};

/// The version of what is said here. One that differs is refused before anything else is read.
pub(super) const PROTOCOL: u32 = 1;

/// No frame is longer, in bytes: the words of a command line have their limit in the system.
const FRAME_MAX: usize = 4 * 1024 * 1024;

/// How many bytes of a stream go into a frame.
pub(super) const CHUNK: usize = 64 * 1024;

/// What the process says that hands its command over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The command; always first.
    Command(Box<Call>),
    /// A part of the file that was wanted.
    Data(Vec<u8>),
    /// That was all of it.
    DataEnd,
    /// The file cannot be read, or not to its end, and why.
    DataFailed(String),
    /// Whoever called presses Ctrl-C.
    Interrupt,
    /// The terminal has so many lines and columns now.
    Size(u16, u16),
}

/// What the process answers that has the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The command is begun now; what ends without this did nothing.
    Begun,
    /// It is not, and why.
    Refused { message: String, help: String },
    /// For one of the caller's streams.
    Print(Stream, Vec<u8>),
    /// A file is wanted, as far as so many bytes; `-` is standard input.
    Want { path: PathBuf, bytes_max: u64 },
    /// What happened was told up to here: another process can go on from it.
    At(Sequence),
    /// The command has ended with this exit code.
    End(u8),
}

/// Where something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output, without its colours where they are not wanted.
    Output,
    /// Standard output, byte for byte.
    OutputAsIs,
    /// Standard error, as [`Stream::Output`].
    Errors,
    /// Standard error, byte for byte.
    ErrorsAsIs,
}

/// A command and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) about: About,
    /// Where it was typed.
    pub(super) directory: PathBuf,
    /// As it was typed, with the program's name.
    pub(super) words: Vec<OsString>,
}

/// What is known of a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    #[serde(flatten)]
    pub(super) versions: Versions,
    /// The id of the command, where it is given none.
    pub(super) command: CommandId,
    /// The file system's name for the directory it is in: its device and number.
    pub(super) file: (u64, u64),
    /// The variables of its environment that arguments are read from.
    pub(super) environment: BTreeMap<String, String>,
    /// How large the terminal is that its standard output is, if it is one: lines and columns.
    pub(super) output: Option<(u16, u16)>,
    /// As `output`, of its standard error.
    pub(super) errors: Option<(u16, u16)>,
    /// From where it goes on to tell what happens.
    pub(super) after: Option<Sequence>,
}

/// Who must be the same at both ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Versions {
    pub(super) protocol: u32,
    pub(super) program: String,
}

impl Versions {
    /// Those of this program.
    pub(super) fn own() -> Self {
        Self { protocol: PROTOCOL, program: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

impl Asked {
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Command(call) => frame(out, 1, &call.bytes()?),
            Self::Data(bytes) => frame(out, 2, bytes),
            Self::DataEnd => frame(out, 3, b""),
            Self::DataFailed(why) => frame(out, 4, why.as_bytes()),
            Self::Interrupt => frame(out, 5, b""),
            Self::Size(lines, columns) => {
                frame(out, 6, &[lines.to_be_bytes(), columns.to_be_bytes()].concat())
            }
        }
    }

    /// What comes next; nothing when the other side has gone.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let Some((kind, bytes)) = next(from)? else { return Ok(None) };
        Ok(Some(match kind {
            1 => Self::Command(Box::new(Call::of(&bytes)?)),
            2 => Self::Data(bytes),
            3 => Self::DataEnd,
            4 => Self::DataFailed(text(bytes)?),
            5 => Self::Interrupt,
            6 => match bytes.as_slice() {
                [a, b, c, d] => {
                    Self::Size(u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
                }
                _ => return Err(malformed("a size that is none")),
            },
            _ => return Err(malformed("a kind that is not known")),
        }))
    }
}

impl Said {
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Begun => frame(out, 1, b""),
            Self::Refused { message, help } => {
                let parts = [message.as_bytes(), help.as_bytes()];
                frame(out, 2, &parts.join(&0))
            }
            Self::Print(stream, bytes) => frame(out, stream.kind(), bytes),
            Self::Want { path, bytes_max } => {
                let mut bytes = bytes_max.to_be_bytes().to_vec();
                bytes.extend(path.as_os_str().as_bytes());
                frame(out, 3, &bytes)
            }
            Self::At(sequence) => frame(out, 4, &sequence.0.to_be_bytes()),
            Self::End(code) => frame(out, 5, &[*code]),
        }
    }

    /// What comes next; nothing when the other side has gone.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let Some((kind, bytes)) = next(from)? else { return Ok(None) };
        Ok(Some(match kind {
            1 => Self::Begun,
            2 => {
                let told = text(bytes)?;
                let (message, help) = told.split_once('\0').unwrap_or((&told, ""));
                Self::Refused { message: message.to_owned(), help: help.to_owned() }
            }
            3 => {
                let (number, path) = number(&bytes)?;
                let path = OsStr::from_bytes(path).into();
                Self::Want { path, bytes_max: number }
            }
            4 => match number(&bytes)? {
                (sequence, []) => Self::At(Sequence(sequence)),
                _ => return Err(malformed("a number with something behind it")),
            },
            5 => match bytes.as_slice() {
                [code] => Self::End(*code),
                _ => return Err(malformed("an exit code that is none")),
            },
            kind => match Stream::of(kind) {
                Some(stream) => Self::Print(stream, bytes),
                None => return Err(malformed("a kind that is not known")),
            },
        }))
    }
}

impl Stream {
    const fn kind(self) -> u8 {
        match self {
            Self::Output => 16,
            Self::OutputAsIs => 17,
            Self::Errors => 18,
            Self::ErrorsAsIs => 19,
        }
    }

    fn of(kind: u8) -> Option<Self> {
        let all = [Self::Output, Self::OutputAsIs, Self::Errors, Self::ErrorsAsIs];
        all.into_iter().find(|one| one.kind() == kind)
    }
}

impl Call {
    /// Neither JSON nor a word nor a path has a byte of zero.
    fn bytes(&self) -> io::Result<Vec<u8>> {
        let about = serde_json::to_vec(&self.about)?;
        let words = self.words.iter().map(|word| word.as_bytes());
        let parts = [about.as_slice(), self.directory.as_os_str().as_bytes()];
        Ok(parts.into_iter().chain(words).collect::<Vec<_>>().join(&0))
    }

    fn of(bytes: &[u8]) -> io::Result<Self> {
        let mut parts = bytes.split(|byte| *byte == 0);
        let about = parts.next().unwrap_or_default();
        let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let directory = parts.next().map(|path| word(path).into());
        let directory = directory.ok_or_else(|| malformed("a command without its place"))?;
        let versions: Versions = serde_json::from_slice(about)?;
        if versions != Versions::own() {
            // Of another version nothing else is understood.
            return Err(io::Error::new(io::ErrorKind::Unsupported, OtherVersion(versions)));
        }
        let about = serde_json::from_slice(about)?;
        Ok(Self { about, directory, words: parts.map(word).collect() })
    }
}

/// A program of another version calls.
#[derive(Debug)]
pub(super) struct OtherVersion(pub(super) Versions);

impl std::fmt::Display for OtherVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "this is holdpoint {}", self.0.program)
    }
}

impl std::error::Error for OtherVersion {}

/// A frame goes out at once, so that several threads can write frames.
fn frame(out: &mut impl Write, kind: u8, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() > FRAME_MAX {
        return Err(malformed("a frame that is too long"));
    }
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut whole = Vec::with_capacity(bytes.len().saturating_add(5));
    whole.push(kind);
    whole.extend(length.to_be_bytes());
    whole.extend(bytes);
    out.write_all(&whole)?;
    out.flush()
}

fn next(from: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut kind = [0];
    loop {
        match from.read(&mut kind) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if usize::try_from(length).map_or(true, |length| length > FRAME_MAX) {
        return Err(malformed("a frame that is too long"));
    }
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() < usize::try_from(length).unwrap_or(usize::MAX) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let [kind] = kind;
    Ok(Some((kind, bytes)))
}

fn number(bytes: &[u8]) -> io::Result<(u64, &[u8])> {
    let (number, rest) =
        bytes.split_first_chunk().ok_or_else(|| malformed("a number that is cut off"))?;
    Ok((u64::from_be_bytes(*number), rest))
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| malformed("words that are not UTF-8"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..100)
    }

    fn word() -> impl Strategy<Value = OsString> {
        prop::collection::vec(1..=u8::MAX, 0..20).prop_map(OsString::from_vec)
    }

    prop_compose! {
        fn call()(
            words in prop::collection::vec(word(), 0..5),
            directory in word(),
            command in any::<u128>(),
            file in any::<(u64, u64)>(),
            environment in prop::collection::btree_map("[A-Z_]{1,5}", any::<String>(), 0..3),
            output in any::<Option<(u16, u16)>>(),
            errors in any::<Option<(u16, u16)>>(),
            after in any::<Option<u64>>(),
        ) -> Call {
            let about = About {
                versions: Versions::own(),
                command: CommandId::from_uuid(uuid::Uuid::from_u128(command)),
                file,
                environment,
                output,
                errors,
                after: after.map(Sequence),
            };
            Call { about, directory: directory.into(), words }
        }
    }

    fn asked() -> impl Strategy<Value = Asked> {
        prop_oneof![
            call().prop_map(|call| Asked::Command(Box::new(call))),
            bytes().prop_map(Asked::Data),
            Just(Asked::DataEnd),
            any::<String>().prop_map(Asked::DataFailed),
            Just(Asked::Interrupt),
            any::<(u16, u16)>().prop_map(|(lines, columns)| Asked::Size(lines, columns)),
        ]
    }

    fn said() -> impl Strategy<Value = Said> {
        let stream = prop::sample::select(vec![
            Stream::Output,
            Stream::OutputAsIs,
            Stream::Errors,
            Stream::ErrorsAsIs,
        ]);
        prop_oneof![
            Just(Said::Begun),
            ("[^\0]*", "[^\0]*").prop_map(|(message, help)| Said::Refused { message, help }),
            (stream, bytes()).prop_map(|(stream, bytes)| Said::Print(stream, bytes)),
            (word(), any::<u64>())
                .prop_map(|(path, bytes_max)| Said::Want { path: path.into(), bytes_max }),
            any::<u64>().prop_map(|at| Said::At(Sequence(at))),
            any::<u8>().prop_map(Said::End),
        ]
    }

    proptest! {
        #[test]
        fn what_was_said_is_understood(asked in prop::collection::vec(asked(), 0..4), said in prop::collection::vec(said(), 0..4)) {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            asked.iter().for_each(|asked| asked.write(&mut one).unwrap());
            said.iter().for_each(|said| said.write(&mut other).unwrap());
            let (mut one, mut other) = (one.as_slice(), other.as_slice());
            for asked in asked {
                prop_assert_eq!(Asked::read(&mut one).unwrap(), Some(asked));
            }
            for said in said {
                prop_assert_eq!(Said::read(&mut other).unwrap(), Some(said));
            }
            prop_assert_eq!(Asked::read(&mut one).unwrap(), None);
            prop_assert_eq!(Said::read(&mut other).unwrap(), None);
        }

        #[test]
        fn whatever_comes_is_understood_or_refused(bytes in bytes(), kind in 0..24u8) {
            drop((Asked::read(&mut bytes.as_slice()), Said::read(&mut bytes.as_slice())));
            let mut framed = Vec::new();
            frame(&mut framed, kind, &bytes).unwrap();
            drop((Asked::read(&mut framed.as_slice()), Said::read(&mut framed.as_slice())));
        }

        #[test]
        fn what_is_cut_off_is_no_frame(asked in asked(), at in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            asked.write(&mut bytes).unwrap();
            let at = at.index(bytes.len());
            let read = Asked::read(&mut &bytes[..at]);
            if at == 0 {
                prop_assert_eq!(read.unwrap(), None);
            } else {
                prop_assert!(read.is_err());
            }
        }
    }

    #[test]
    fn what_only_claims_to_be_long_takes_no_memory() {
        for length in [u32::MAX, 4 * 1024 * 1024 + 1, 4 * 1024 * 1024] {
            let mut bytes = vec![2];
            bytes.extend(length.to_be_bytes());
            bytes.extend(b"short");
            assert!(Asked::read(&mut bytes.as_slice()).is_err(), "{length}");
        }
        assert!(Asked::Data(vec![0; FRAME_MAX + 1]).write(&mut Vec::new()).is_err());
    }

    #[test]
    fn another_version_is_told_from_what_is_malformed() {
        for (about, kind) in [
            (r#"{"protocol":2,"program":"9.0.0","new":true}"#, io::ErrorKind::Unsupported),
            (r#"{"protocol":1,"program":"9.0.0"}"#, io::ErrorKind::Unsupported),
            (r#"{"protocol":1}"#, io::ErrorKind::InvalidData),
            ("", io::ErrorKind::UnexpectedEof),
        ] {
            let mut bytes = Vec::new();
            frame(&mut bytes, 1, format!("{about}\0/tmp\0holdpoint\0list").as_bytes()).unwrap();
            let error = Asked::read(&mut bytes.as_slice()).unwrap_err();
            assert_eq!(error.kind(), kind, "{about}: {error}");
        }
    }
}
