//! `shim.c`, compiled: a library that is loaded before a process's own, and changes or records
//! what the process does to the files below one directory.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The compiled library.
#[derive(Debug)]
pub(crate) struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Compiles it into `directory`; otherwise why that cannot be done here.
    pub(crate) fn compile(directory: &Path) -> Result<Self, String> {
        if !cfg!(target_os = "linux") {
            return Err("the library that stands before the C library is for Linux".to_owned());
        }
        let (library, source) = (directory.join("shim.so"), directory.join("shim.c"));
        std::fs::write(&source, include_str!("shim.c")).map_err(|error| error.to_string())?;
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(&source)
            .args(["-ldl", "-lpthread"])
            .output();
        match compiled {
            Ok(output) if output.status.success() => Ok(Self { library }),
            Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => Err(format!("`cc` cannot be run: {error}")),
        }
    }

    /// The variables of a process that it changes, of the calls below `root`.
    /// `IGNORE` names the syncs that do nothing, `IGNORE_IN` the end of the files' paths for which
    /// they do nothing, where that is not all; the call with the number `FAIL_AT` fails with
    /// `FAIL_WITH`; all calls are recorded in the file `TRACE`.
    pub(crate) fn environment(
        &self,
        root: &Path,
        change: &[(&'static str, String)],
    ) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("LD_PRELOAD", self.library.to_str().unwrap().to_owned()),
            ("HOLDPOINT_SHIM_ROOT", root.to_str().unwrap().to_owned()),
        ];
        environment.extend_from_slice(change);
        environment
    }
}
