//! The commands, a file each.

pub(crate) mod author;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod calendar;
pub(crate) mod check;
pub(crate) mod checkpoint;
pub(crate) mod completions;
pub(crate) mod definitions;
pub(crate) mod evidence;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod items;
pub(crate) mod list;
pub(crate) mod locks;
pub(crate) mod project;
pub(crate) mod prove;
pub(crate) mod run;
pub(crate) mod salvage;
pub(crate) mod show;
pub(crate) mod simulate;
pub(crate) mod steer;
pub(crate) mod submit;
pub(crate) mod test;
pub(crate) mod verify;
pub(crate) mod work;
