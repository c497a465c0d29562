use maestro_cache_core::{Expiry, Keeping, LoadToken};
use proptest::prelude::*;

use super::*;

fn publication(number: usize, size: usize) -> Publication {
    Publication {
        key: number.to_string().into(),
        token: LoadToken::new(),
        value: vec![0; size].into(),
        keeping: Keeping::plain(Expiry::Never),
    }
}

proptest! {
    #[test]
    fn parts_are_neither_empty_nor_too_large_and_nothing_is_lost(
        sizes in prop::collection::vec(0..100_000_usize, 0..200),
        most in 1..70_usize,
    ) {
        let all: Vec<_> = (0..).zip(&sizes).map(|(at, size)| publication(at, *size)).collect();
        let mut keys = Vec::new();
        for part in parts(&all, most) {
            prop_assert!((1..=most).contains(&part.len()));
            let sizes = part.iter().map(|each| {
                let (key, length) = each.key_and_length();
                key.len() + length
            });
            let size: usize = sizes.sum();
            prop_assert!(part.len() == 1 || size <= MOST_BYTES_OF_A_PART);
            keys.extend(part.iter().map(|each| each.key.to_string()));
        }
        let expected: Vec<_> = (0..sizes.len()).map(|at| at.to_string()).collect();
        prop_assert_eq!(keys, expected);
    }
}
