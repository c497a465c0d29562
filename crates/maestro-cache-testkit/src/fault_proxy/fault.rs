//! What can go wrong between a client and a server.

use std::time::Duration;

/// What a [`FaultProxy`](crate::FaultProxy) does to the connections through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: bytes are forwarded as they come.
    #[default]
    None,
    /// The bytes of each direction arrive so much later. They are on their way at the same time: a
    /// chunk does not wait for the one before. What is on its way when the fault changes keeps its
    /// delay.
    Delay(Duration),
    /// As [`Delay`](Self::Delay), for the answers alone: the server acts at once.
    DelayAnswers(Duration),
    /// Nobody listens: new connections are refused by the system, because the listening socket is
    /// closed until another fault is set. Open connections go on.
    Refuse,
    /// The connections that are open at this moment lose all further bytes in both directions, for
    /// ever, without being closed; new ones are fine. It is what a firewall does that forgot them.
    SwallowOld,
    /// The connections that are open, and all new ones, lose all bytes in both directions and are
    /// never closed. They stay dead after another fault is set; those made after that are fine.
    SwallowAll,
    /// Nothing moves: open connections pause, and new ones are left to the backlog of the system.
    /// Once another fault is set everything flows on, and nothing was lost.
    BlackHole,
    /// Each connection is reset once so many bytes of answers came through it, counted from the
    /// moment the fault was set or the connection was made.
    ResetMidReply {
        /// How many bytes of answers come through.
        after_bytes: u64,
    },
    /// New connections are closed in an orderly way once so many bytes of answers came through;
    /// those that are open go on.
    TruncateHandshake {
        /// How many bytes of answers come through.
        bytes: u64,
    },
    /// Each chunk of an answer resets its connection with this chance, instead of coming through.
    ///
    /// The choices follow from the seed, the number of the connection and that of the chunk, but
    /// what makes up a chunk is up to the system.
    DropRandomly {
        /// What the choices follow from.
        seed: u64,
        /// The chance, out of a thousand.
        per_mille: u16,
    },
}

impl Fault {
    /// What it means for a connection that is open when it is set.
    pub(super) fn for_open_connections(self) -> Self {
        match self {
            Self::TruncateHandshake { .. } => Self::None,
            other => other,
        }
    }

    pub(super) fn swallows_open_connections(self) -> bool {
        matches!(self, Self::SwallowOld | Self::SwallowAll)
    }

    pub(super) fn swallows_new_connections(self) -> bool {
        self == Self::SwallowAll
    }

    pub(super) fn delay_of_questions(self) -> Duration {
        match self {
            Self::Delay(delay) => delay,
            _ => Duration::ZERO,
        }
    }

    pub(super) fn delay_of_answers(self) -> Duration {
        match self {
            Self::Delay(delay) | Self::DelayAnswers(delay) => delay,
            _ => Duration::ZERO,
        }
    }

    /// How many bytes of answers come through a connection, where that is limited.
    pub(super) fn most_answer_bytes(self) -> Option<u64> {
        match self {
            Self::ResetMidReply { after_bytes: bytes } | Self::TruncateHandshake { bytes } => {
                Some(bytes)
            }
            _ => None,
        }
    }

    /// True if this chunk of answers costs its connection the life.
    pub(super) fn strikes(self, connection: u64, chunk: u64) -> bool {
        match self {
            Self::DropRandomly { seed, per_mille } => {
                mix(mix(mix(seed) ^ connection) ^ chunk) % 1000 < u64::from(per_mille)
            }
            _ => false,
        }
    }
}

/// The step of SplitMix64: neighbours come out far apart.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
