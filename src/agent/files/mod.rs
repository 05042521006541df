//! Files.
pub(crate) mod charset;
pub(crate) mod handle;
pub(crate) mod identity;
pub(crate) mod tail;
