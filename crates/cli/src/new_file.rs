//! Files that commands make, where somebody says: none takes the place of one that is there.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use crate::failure::Failure;

/// Makes the file that was `named`, at its `place`. `unwritable` says why there is none, unless it is there already.
pub(crate) fn create(
    named: &Path,
    place: &Path,
    unwritable: impl FnOnce(io::Error) -> Failure,
) -> Result<File, Failure> {
    File::create_new(place).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => there_already(named),
        _ => unwritable(error),
    })
}

/// Makes the file, with this in it; half of it is not left there.
pub(crate) fn write(
    named: &Path,
    place: &Path,
    content: &[u8],
    unwritable: impl Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    let mut file = create(named, place, &unwritable)?;
    file.write_all(content).map_err(|error| {
        drop(fs::remove_file(place));
        unwritable(error)
    })
}

/// That what was named is there already.
pub(crate) fn there_already(named: &Path) -> Failure {
    Failure::usage(
        format!("there is a file `{}` already", named.display()),
        "name a file that does not exist",
    )
}
