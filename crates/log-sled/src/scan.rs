//! Reading the whole log at opening: every block is checked, and the ends of all streams and the
//! Merkle tree are made from the events.

use std::borrow::Cow;

use holdpoint_core::{
    event::{Sequence, StreamId, Version},
    id::{MalformedId, ProjectId, RunId},
};
use holdpoint_log::{Head, Record, merkle::MerkleTree, numbering::StreamHead};
use serde::Deserialize;
use sled::IVec;

use crate::{
    block::{self, Block, Header},
    store::{Entry, StoreFailure},
    tail::Streams,
};

/// What is wrong with a log, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub sequence: Option<Sequence>,
    pub reason: String,
    /// Whether the storage answered with an error, so that nothing is known about the events.
    pub unreadable: bool,
}

impl From<StoreFailure> for Damage {
    fn from(failure: StoreFailure) -> Self {
        let unreadable = matches!(failure, StoreFailure::Failed(_));
        Self { sequence: None, reason: failure.to_string(), unreadable }
    }
}

fn damage(sequence: Sequence, reason: impl Into<String>) -> Damage {
    Damage { sequence: Some(sequence), reason: reason.into(), unreadable: false }
}

/// The part of an event that tells where it belongs.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Place<'a> {
    sequence: Sequence,
    version: Version,
    previous: Sequence,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(default)]
    subject: Option<RunId>,
}

/// Where an event says that it belongs: its stream, its version there, and the event before.
pub(crate) fn place(record: &Record) -> Result<(StreamId, Version, Sequence), String> {
    let place = read_place(&record.bytes).map_err(|error| error.to_string())?;
    if place.sequence != record.sequence {
        return Err(format!("it says that its sequence is {}", place.sequence));
    }
    let project: ProjectId = place.source.parse().map_err(|e: MalformedId| e.to_string())?;
    let stream = StreamId { project, run: place.subject };
    Ok((stream, place.version, place.previous))
}

/// The sequence that an event says it has.
pub(crate) fn sequence(bytes: &[u8]) -> Option<Sequence> {
    read_place(bytes).ok().map(|place| place.sequence)
}

fn read_place(bytes: &[u8]) -> serde_json::Result<Place<'_>> {
    read_usual_place(bytes).map_or_else(|| serde_json::from_slice(bytes), Ok)
}

/// Reads the place of a run's event whose members stand as Holdpoint writes them, which takes a
/// fraction of what reading the whole event does.
fn read_usual_place(bytes: &[u8]) -> Option<Place<'_>> {
    let mut rest = bytes;
    let mut number = |before: &[u8]| {
        rest = rest.strip_prefix(before)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, after) = rest.split_at_checked(digits)?;
        rest = after;
        str::from_utf8(number).ok()?.parse().ok()
    };
    let sequence = Sequence(number(b"{\"sequence\":")?);
    let version = Version(number(b",\"version\":")?);
    let previous = Sequence(number(b",\"previous\":")?);
    let mut text = |before: &[u8]| {
        rest = rest.strip_prefix(before)?;
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        let (text, after) = rest.split_at_checked(length)?;
        rest = after.strip_prefix(b"\"")?;
        str::from_utf8(text).ok()
    };
    text(b",\"id\":\"")?;
    let source = text(b",\"source\":\"")?;
    let subject = text(b",\"subject\":\"")?.parse().ok()?;
    Some(Place { sequence, version, previous, source: source.into(), subject: Some(subject) })
}

/// What a tail contains.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The Merkle tree over the log up to the tail's end.
    pub tree: MerkleTree,
    /// The streams that have events in the tail.
    pub streams: Streams,
    /// The bytes of its events.
    pub event_bytes: u64,
}

/// A scan under way.
#[derive(Debug)]
pub(crate) struct Scan {
    contents: Contents,
    /// The last event before the tail.
    before: Sequence,
    noted: Head,
    /// The block that is being put together.
    open: Option<Assembly>,
    /// Whole blocks of a commit whose last block has not come yet.
    commit: Vec<Block>,
    /// The keys of `open` and `commit`.
    keys: Vec<IVec>,
}

#[derive(Debug)]
struct Assembly {
    header: Header,
    pieces: u16,
    bytes: Vec<u8>,
}

impl Scan {
    /// Begins a scan of a tail that goes on after `before`, of a log that had come to `noted`, at
    /// least.
    pub(crate) fn new(before: MerkleTree, noted: Head) -> Self {
        Self {
            before: Sequence(before.size()),
            contents: Contents { tree: before, ..Contents::default() },
            noted,
            open: None,
            commit: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// The event that comes next.
    fn next(&self) -> Sequence {
        let last = self.commit.last().map(Block::last_sequence);
        last.unwrap_or(Sequence(self.contents.tree.size())).next()
    }

    /// Takes the next entry, in the order of the keys.
    pub(crate) fn entry(&mut self, (key, value): Entry) -> Result<(), Damage> {
        let next = self.next();
        let (first, piece) = block::parse_key(&key)
            .ok_or_else(|| damage(next, "an entry does not have the key of a block"))?;
        let stands_there = || {
            let missing = if piece == 0 && first > next {
                format!(
                    "{} missing: what follows is event {first}",
                    range(next, Sequence(first.0 - 1))
                )
            } else {
                format!("piece {piece} of the block of event {first} stands there")
            };
            damage(next, missing)
        };
        let mut assembly = match self.open.take() {
            None if piece == 0 && first == next => {
                let header = block::decode_header(&value).map_err(|e| damage(next, e))?;
                if header.first != first {
                    return Err(damage(next, format!("its block says {}", header.first)));
                }
                Assembly { header, pieces: 0, bytes: Vec::new() }
            }
            Some(open) if piece == open.pieces && first == open.header.first => open,
            _ => return Err(stands_there()),
        };
        self.keys.push(key);
        assembly.bytes.extend_from_slice(&value);
        assembly.pieces += 1;
        if assembly.pieces < assembly.header.pieces {
            self.open = Some(assembly);
            return Ok(());
        }
        let block = block::decode(&assembly.bytes).map_err(|e| damage(next, e))?;
        let last = block.header.last;
        self.commit.push(block);
        if last {
            self.keys.clear();
            std::mem::take(&mut self.commit).iter().try_for_each(|block| self.take(block))?;
        }
        Ok(())
    }

    /// Takes a block of a whole commit.
    fn take(&mut self, block: &Block) -> Result<(), Damage> {
        for record in &block.records {
            let at = record.sequence;
            let (stream, version, previous) = place(record).map_err(|e| damage(at, e))?;
            let known = self.contents.streams.get(&stream);
            let follows = match known {
                Some(head) => (version, previous) == (head.version.next(), head.sequence),
                // Its stream may have begun before the tail; what is sealed is not looked up here.
                None => previous <= self.before && (version.0 == 1) == (previous.0 == 0),
            };
            if !follows {
                return Err(damage(at, "it does not follow the event before it in its stream"));
            }
            self.contents.streams.insert(stream, StreamHead { version, sequence: at });
            self.contents.event_bytes += record.bytes.len() as u64;
            self.contents.tree.push(&record.bytes);
            if at == self.noted.sequence && self.contents.tree.root() != self.noted.root {
                return Err(damage(at, "the history up to it is not the one that was noted"));
            }
        }
        if self.contents.tree.root() == block.header.root {
            Ok(())
        } else {
            Err(damage(block.last_sequence(), "its block's root is not the root over the events"))
        }
    }

    /// Ends the scan: what the tail contains, and the keys of a commit at its end that was never
    /// completed, and so never acknowledged.
    pub(crate) fn finish(self) -> (Contents, Vec<IVec>) {
        (self.contents, self.keys)
    }
}

fn range(first: Sequence, last: Sequence) -> String {
    if first == last {
        format!("event {first} is")
    } else {
        format!("the events {first} to {last} are")
    }
}

/// Checks that a log of `size` events has not fallen below what was noted.
pub(crate) fn check_noted(size: u64, noted: Head) -> Result<(), Damage> {
    if size >= noted.sequence.0 {
        return Ok(());
    }
    let reason = format!("the log ends with event {size}, but event {} was stored", noted.sequence);
    Err(damage(Sequence(size + 1), reason))
}

#[cfg(test)]
mod tests {
    use holdpoint_core::event::Sequence;
    use holdpoint_log::{
        conformance::{append, event, noise, stream},
        numbering::{Prepared, Stored},
    };

    use super::*;
    use crate::block::Packer;

    /// Two commits of one block, then one of several blocks, the first of several entries.
    fn entries() -> Vec<Entry> {
        let mut packer = Packer::new().unwrap();
        let mut contents = Contents::default();
        let mut entries = Vec::new();
        let mut large = append(2, 0, 1);
        large.events.push(event(&stream(2), &noise(20_000, 3)));
        large.events.push(event(&stream(2), &noise(20_000, 4)));
        for append in [append(1, 0, 3), append(1, 3, 1), large] {
            let Contents { tree, streams, .. } = &mut contents;
            let last = Sequence(tree.size());
            let head = |stream: &StreamId| Ok(streams.get(stream).copied().unwrap_or_default());
            let push = |sequence, stored: Stored<'_>| packer.push(sequence, stored, tree).unwrap();
            let placed = Prepared::new(vec![append]).unwrap().place(last, head, push).unwrap();
            contents.streams.extend(placed.heads);
            let packed = packer.finish(&contents.tree).unwrap();
            entries.extend(packed.into_iter().map(|(k, v)| (IVec::from(&k), IVec::from(v))));
        }
        entries
    }

    fn scan(entries: &[Entry], noted: Head) -> Result<(Contents, Vec<IVec>), Damage> {
        let mut scan = Scan::new(MerkleTree::new(), noted);
        entries.iter().try_for_each(|entry| scan.entry(entry.clone()))?;
        let (contents, keys) = scan.finish();
        check_noted(contents.tree.size(), noted)?;
        Ok((contents, keys))
    }

    fn nothing() -> Head {
        Head { sequence: Sequence::ZERO, root: MerkleTree::new().root() }
    }

    #[test]
    fn the_usual_place_is_read_as_any_other() {
        let usual = event(&stream(7), "mine").to_bytes(Sequence(9), Version(2), Sequence(4));
        let usual = usual.unwrap();
        let read: Place<'_> = serde_json::from_slice(&usual).unwrap();
        assert_eq!(read_usual_place(&usual), Some(read));
        for cut in 0..150 {
            assert_eq!(read_usual_place(&usual[..cut]), None, "{cut}");
        }
        let text = String::from_utf8(usual).unwrap();
        for other in [
            text.replacen(',', ", ", 1),
            text.replace("\"source\":\"", "\"source\":\"\\u0061"),
            text.replace("\"subject\":\"", "\"subject\":\"x"),
            text.replace("\"version\":2", "\"version\":-2"),
        ] {
            assert_ne!(text, other);
            assert_eq!(read_usual_place(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_commit_that_was_not_completed_is_told_apart() {
        let entries = entries();
        assert!(entries.len() > 8);
        for cut in 0..=entries.len() {
            let (contents, dropped) = scan(&entries[..cut], nothing()).unwrap();
            let (size, kept) = match cut {
                0 => (0, 0),
                1 => (3, 1),
                _ if cut < entries.len() => (4, 2),
                _ => (7, cut),
            };
            assert_eq!((contents.tree.size(), dropped.len()), (size, cut - kept), "{cut}");
            assert_eq!(
                contents.streams.len(),
                [0, 1, 1, 1, 1, 2][usize::try_from(size.min(5)).unwrap()]
            );
        }
    }

    #[test]
    fn what_is_missing_or_changed_is_found() {
        let entries = entries();
        for index in 0..entries.len() {
            let mut missing = entries.clone();
            missing.remove(index);
            let found = scan(&missing, nothing());
            assert!(found.is_err() || index + 1 == entries.len(), "{index}");

            let mut changed = entries.clone();
            let last = changed[index].1.len() - 1;
            changed[index].1[last] ^= 1;
            let found = scan(&changed, nothing()).unwrap_err();
            let place = [1, 4][index.min(1)];
            assert!(found.sequence.unwrap() >= Sequence(place), "{index}: {found:?}");
        }
        let mut foreign = entries;
        foreign.push((IVec::from(b"~"), IVec::from(b"what is this?")));
        assert_eq!(scan(&foreign, nothing()).unwrap_err().sequence, Some(Sequence(8)));
    }

    #[test]
    fn a_log_does_not_fall_below_what_was_noted() {
        let entries = entries();
        let (contents, _) = scan(&entries[..2], nothing()).unwrap();
        let noted = Head { sequence: Sequence(4), root: contents.tree.root() };
        for cut in 2..=entries.len() {
            assert!(scan(&entries[..cut], noted).is_ok(), "{cut}");
        }
        assert_eq!(scan(&entries[..1], noted).unwrap_err().sequence, Some(Sequence(4)));
        let other = Head { root: [1; 32], ..noted };
        assert_eq!(scan(&entries, other).unwrap_err().sequence, Some(Sequence(4)));
    }
}
