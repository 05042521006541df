//! Files.
pub(crate) mod archive;
pub(crate) mod charset;
pub(crate) mod glob;
pub(crate) mod handle;
pub(crate) mod identity;
pub(crate) mod tail;
