//! SHA-1, by which a server knows a script that it has seen. It is computed while this is compiled,
//! so none can be wrong or forgotten, and it protects nothing.

const BLOCK: usize = 64;

/// The digest of a text as a server writes it: forty digits in lower case.
#[allow(clippy::indexing_slicing)] // A wrong index would not compile.
pub(super) const fn of(text: &str) -> [u8; 40] {
    let text = text.as_bytes();
    let mut state: [u32; 5] = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    // The text, a bit, zeros, and how many bits the text has.
    let blocks = (text.len() + 8) / BLOCK + 1;
    let bits = (text.len() as u64 * 8).to_be_bytes();
    let mut at = 0;
    while at < blocks {
        let mut block = [0; BLOCK];
        let mut place = 0;
        while place < BLOCK {
            let position = at * BLOCK + place;
            if position < text.len() {
                block[place] = text[position];
            } else if position == text.len() {
                block[place] = 0x80;
            } else if at + 1 == blocks && place >= BLOCK - 8 {
                block[place] = bits[place - (BLOCK - 8)];
            }
            place += 1;
        }
        state = mixed(state, &block);
        at += 1;
    }
    hexadecimal(state)
}

#[allow(clippy::indexing_slicing)] // A wrong index would not compile.
const fn mixed(state: [u32; 5], block: &[u8; BLOCK]) -> [u32; 5] {
    let mut words = [0; 80];
    let mut at = 0;
    while at < 80 {
        words[at] = if at < 16 {
            let from = 4 * at;
            u32::from_be_bytes([
                block[from],
                block[from + 1],
                block[from + 2],
                block[from + 3],
            ])
        } else {
            (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1)
        };
        at += 1;
    }
    let [mut a, mut b, mut c, mut d, mut e] = state;
    at = 0;
    while at < 80 {
        let (chosen, constant) = match at {
            0..20 => ((b & c) | (!b & d), 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(chosen)
            .wrapping_add(e)
            .wrapping_add(constant)
            .wrapping_add(words[at]);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        at += 1;
    }
    [
        state[0].wrapping_add(a),
        state[1].wrapping_add(b),
        state[2].wrapping_add(c),
        state[3].wrapping_add(d),
        state[4].wrapping_add(e),
    ]
}

#[allow(clippy::indexing_slicing)] // A wrong index would not compile.
const fn hexadecimal(state: [u32; 5]) -> [u8; 40] {
    let mut digits = [0; 40];
    let mut at = 0;
    while at < 40 {
        let nibble = (state[at / 8] >> (28 - 4 * (at % 8))) & 0xf;
        digits[at] = b"0123456789abcdef"[nibble as usize];
        at += 1;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        let long = "a".repeat(1000);
        for (text, expected) in [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (&long, "291e9a6c66994949b57ba5e650361e98fc36b1ba"),
        ] {
            assert_eq!(of(text), expected.as_bytes(), "{} bytes", text.len());
        }
    }
}
