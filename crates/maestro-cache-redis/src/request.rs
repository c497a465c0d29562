//! What is sent to the server in one go.

use redis::{Cmd, Pipeline};

/// What is sent in one go. Without `Debug`, since that of the commands shows values.
#[derive(Clone, Copy)]
pub(crate) enum Request<'a> {
    Command(&'a Cmd),
    Pipeline(&'a Pipeline),
}
