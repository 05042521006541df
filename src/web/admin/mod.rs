//! Pages for admins: people, tokens, the system.

mod system;
mod tokens;
mod users;

use axum::Router;

use crate::web::Context;

/// Routes for admins.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new().merge(users::routes()).merge(tokens::routes()).merge(system::routes())
}
