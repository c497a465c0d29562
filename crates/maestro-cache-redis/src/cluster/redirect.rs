//! What a node says of a key that is not its own.

use redis::ServerError;

use crate::connection::Address;
use crate::deployment::Slot;
use crate::error::Refusal;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// The slot is that node's, from now on.
    Moved(Slot, Address),
    /// The slot is on its way there, and so may the key be: for this call only.
    Ask(Address),
    /// Nowhere: the cluster does not serve the slot.
    Down,
}

impl Redirect {
    /// `asked` is the node that says so: one that knows no address for another means its own host.
    pub(crate) fn new(error: &ServerError, asked: &Address) -> Option<Self> {
        let Refusal { code, words } = Refusal::new(error);
        match &*code {
            "MOVED" => read(&words, asked).map(|(slot, address)| Self::Moved(slot, address)),
            "ASK" => read(&words, asked).map(|(_, address)| Self::Ask(address)),
            "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" => Some(Self::Down),
            _ => None,
        }
    }
}

/// `3999 127.0.0.1:6381`
fn read(words: &str, asked: &Address) -> Option<(Slot, Address)> {
    let (slot, address) = words.split_once(' ')?;
    let (host, port) = address.trim().rsplit_once(':')?;
    let address = Address::named(host.to_owned(), port.parse().ok()?, asked);
    Some((Slot(slot.parse().ok()?), address))
}

#[cfg(test)]
#[path = "../../tests/unit/cluster/redirect.rs"]
mod tests;
