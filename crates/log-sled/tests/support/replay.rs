//! What is on a disk after a recorded run was cut short: the record that `shim.c` makes, call by
//! call, and what survives of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What sled and file systems write at once, and what the log relies on being written whole.
const PAGE_BYTES: usize = 4096;

/// A call that took effect, on a file or directory below the root of the record.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub path: PathBuf,
    pub what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Create,
    Directory,
    Remove,
    Rename(PathBuf),
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        length: usize,
    },
    Sync,
    /// `sync_file_range`, which promises nothing.
    Hint,
    /// What the process wrote to its standard output.
    Say(String),
}

impl What {
    /// Whether a full disk can refuse it.
    pub(crate) const fn needs_space(&self) -> bool {
        matches!(self, Self::Create | Self::Directory | Self::Write { .. } | Self::Truncate { .. })
    }
}

/// Reads a record of the calls below `root`.
pub(crate) fn read(record: &Path, root: &Path) -> Vec<Call> {
    let record = fs::read(record).unwrap();
    let mut rest = record.as_slice();
    let mut calls: Vec<Call> = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let (line, after) = rest.split_at(end);
        let mut fields = str::from_utf8(line).unwrap().split('\t');
        let [call, length, offset, path] = std::array::from_fn(|_| fields.next().unwrap());
        let (bytes, after) = after.split_at(1 + length.parse::<usize>().unwrap());
        let (offset, bytes) = (offset.parse().unwrap(), bytes.split_first().unwrap().1.to_vec());
        let path = Path::new(path);
        let path = path.strip_prefix(root).unwrap_or(path).to_owned();
        rest = after;
        let what = match call {
            "create" => What::Create,
            "mkdir" => What::Directory,
            "remove" => What::Remove,
            "write" => What::Write { offset, bytes },
            "truncate" => What::Truncate { length: offset },
            "sync" => What::Sync,
            "hint" => What::Hint,
            "say" => What::Say(String::from_utf8(bytes).unwrap()),
            "rename" => What::Rename(PathBuf::new()),
            "to" => {
                calls.last_mut().unwrap().what = What::Rename(path);
                continue;
            }
            unknown => panic!("`{unknown}` is not a call"),
        };
        calls.push(Call { path, what });
    }
    calls
}

/// What a cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// All: the process was killed.
    Everything,
    /// Only what was synced.
    Synced,
    /// What was synced, and pages of what was not, as if at random: disks write in any order.
    SomePages(u64),
}

#[derive(Clone, Copy, Debug)]
enum Node {
    File(usize),
    Directory(usize),
}

type Names = BTreeMap<String, Node>;

/// A file or directory: as programs see it, and as it was when it was last synced.
#[derive(Debug, Default)]
struct Kept<T> {
    now: T,
    synced: T,
}

/// A disk on which calls have been made. A name is durable when its directory was synced, a
/// file's content and length when the file was: no more than POSIX promises.
#[derive(Debug)]
pub(crate) struct Disk {
    files: Vec<Kept<Vec<u8>>>,
    /// The first is the root.
    directories: Vec<Kept<Names>>,
}

impl Disk {
    pub(crate) fn empty() -> Self {
        Self { files: Vec::new(), directories: vec![Kept::default()] }
    }

    fn find(&self, path: &Path) -> Option<Node> {
        path.iter().try_fold(Node::Directory(0), |node, name| match node {
            Node::Directory(directory) => {
                self.directories.get(directory)?.now.get(name.to_str()?).copied()
            }
            Node::File(_) => None,
        })
    }

    /// The names in the directory of `path`, and the last part of it.
    fn entry(&mut self, path: &Path) -> (&mut Names, String) {
        let Some(Node::Directory(parent)) = self.find(path.parent().unwrap()) else {
            panic!("{} is in no directory", path.display())
        };
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (&mut self.directories.get_mut(parent).unwrap().now, name)
    }

    fn insert(&mut self, path: &Path, node: Node) {
        let (names, name) = self.entry(path);
        names.insert(name, node);
    }

    fn remove(&mut self, path: &Path) -> Node {
        let (names, name) = self.entry(path);
        names.remove(&name).unwrap()
    }

    fn file(&mut self, path: &Path) -> &mut Kept<Vec<u8>> {
        match self.find(path) {
            Some(Node::File(file)) => self.files.get_mut(file).unwrap(),
            other => panic!("{} is {other:?}", path.display()),
        }
    }

    /// Makes a call.
    pub(crate) fn apply(&mut self, Call { path, what }: &Call) {
        match what {
            What::Create => {
                self.insert(path, Node::File(self.files.len()));
                self.files.push(Kept::default());
            }
            What::Directory => {
                self.insert(path, Node::Directory(self.directories.len()));
                self.directories.push(Kept::default());
            }
            What::Remove => {
                self.remove(path);
            }
            What::Rename(to) => {
                let node = self.remove(path);
                self.insert(to, node);
            }
            What::Write { offset, bytes } => self.write(path, *offset, bytes),
            What::Truncate { length } => self.file(path).now.resize(*length, 0),
            What::Sync => match self.find(path) {
                Some(Node::Directory(directory)) => {
                    let kept = self.directories.get_mut(directory).unwrap();
                    kept.synced = kept.now.clone();
                }
                _ => {
                    let kept = self.file(path);
                    kept.synced.clone_from(&kept.now);
                }
            },
            What::Hint | What::Say(_) => {}
        }
    }

    fn write(&mut self, path: &Path, offset: usize, bytes: &[u8]) {
        let now = &mut self.file(path).now;
        let end = offset + bytes.len();
        if now.len() < end {
            now.resize(end, 0);
        }
        now.get_mut(offset..end).unwrap().copy_from_slice(bytes);
    }

    /// Whether a call changes what is on the disk when it is cut off.
    pub(crate) const fn changes(left: Left, what: &What) -> bool {
        match what {
            What::Hint | What::Say(_) => false,
            What::Sync => !matches!(left, Left::Everything),
            _ => !matches!(left, Left::Synced),
        }
    }

    /// Writes what is left after a cut into the directory `to`, which must be empty.
    pub(crate) fn leave(&self, left: Left, to: &Path) {
        self.leave_directory(0, left, to);
    }

    fn leave_directory(&self, directory: usize, left: Left, to: &Path) {
        let kept = self.directories.get(directory).unwrap();
        let names = match left {
            Left::Everything => &kept.now,
            Left::SomePages(seed) if seed % 2 == 0 => &kept.now,
            Left::Synced | Left::SomePages(_) => &kept.synced,
        };
        for (name, node) in names {
            let to = to.join(name);
            match node {
                Node::File(file) => {
                    fs::write(to, left_of(self.files.get(*file).unwrap(), left)).unwrap();
                }
                Node::Directory(directory) => {
                    fs::create_dir(&to).unwrap();
                    self.leave_directory(*directory, left, &to);
                }
            }
        }
    }
}

fn left_of(Kept { now, synced }: &Kept<Vec<u8>>, left: Left) -> Vec<u8> {
    let Left::SomePages(seed) = left else {
        return if left == Left::Synced { synced.clone() } else { now.clone() };
    };
    // Marsaglia's xorshift, so that a failure can be had again.
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut survives = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 63 == 1
    };
    let length = if survives() { now.len() } else { synced.len() };
    let mut bytes = synced.clone();
    bytes.resize(length, 0);
    for (page, written) in bytes.chunks_mut(PAGE_BYTES).zip(now.chunks(PAGE_BYTES)) {
        if survives() {
            let both = page.len().min(written.len());
            page.get_mut(..both).unwrap().copy_from_slice(written.get(..both).unwrap());
        }
    }
    bytes
}
