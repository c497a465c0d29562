//! Whether a server answers, asked with the few rights that a user has.

use maestro_cache_core::{ErrorKind, Result};

use crate::call::{Deadline, Intent};
use crate::commands;
use crate::connection::Server;
use crate::error;

impl Server {
    /// Whether it answers this user. One who may not run `PING` is served all the same if `GET` is
    /// allowed, whatever becomes of the key that is asked for.
    pub(crate) async fn ping(&self, deadline: Deadline) -> Result<()> {
        let ping = commands::command("PING", 0, 0).into();
        let refusal = match self.call(deadline, Intent::Read, &ping).await?.done() {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => error,
            Ok(()) if self.refuses_writes() => return Err(error::is_a_replica()),
            answer => return answer,
        };
        let get = commands::keyed("GET", "").into();
        let reply = self.call(deadline, Intent::Read, &get).await?;
        if reply.is_about_a_key() {
            return Ok(());
        }
        match reply.value().map_err(|error| error.kind()) {
            Err(ErrorKind::PermissionDenied) => Err(refusal),
            // A key that is another node's, or of another type, was looked for.
            _ => Ok(()),
        }
    }
}
