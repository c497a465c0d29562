//! Encoding and decoding, beside the crate underneath.

use std::hint::black_box;

use maestro_cache::Codec;

use crate::{Contest, Contestant, User};

/// Without any cache: what the codec alone does.
#[must_use]
pub fn contests() -> Vec<Contest> {
    vec![
        Contest::new("codec/encode 88 B struct", || {
            let user = User::new(7);
            let [ours, array, named] = [user.clone(), user.clone(), user];
            vec![
                Contestant::repeating("maestro-cache", move || {
                    Codec::MessagePack.encode(black_box(&ours))
                }),
                Contestant::repeating("rmp_serde::to_vec", move || {
                    rmp_serde::to_vec(black_box(&array))
                }),
                Contestant::repeating("rmp_serde::to_vec_named", move || {
                    rmp_serde::to_vec_named(black_box(&named))
                }),
            ]
        }),
        Contest::new("codec/decode 88 B struct", || {
            let ours = User::new(7).encode();
            let theirs = ours.clone();
            vec![
                Contestant::repeating("maestro-cache", move || {
                    Codec::MessagePack.decode::<User>(black_box(&ours))
                }),
                Contestant::repeating("rmp_serde::from_slice", move || {
                    rmp_serde::from_slice::<User>(black_box(&theirs))
                }),
            ]
        }),
    ]
}
