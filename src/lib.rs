//! logcafe: log pushes in, an index in the middle, a login-protected page to read them at the end.

pub mod logql;
pub mod model;
pub mod query;
pub mod store;
