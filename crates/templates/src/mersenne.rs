//! Python's random numbers: what is seeded gives the values that it gives in Ansible.

use crate::value::{View, view};
use minijinja::Value;
use sha2::Digest as _;

const SIZE: usize = 624;

/// The Mersenne twister MT19937 (Matsumoto and Nishimura), seeded as Python's `random.Random` is.
pub struct Mersenne {
    state: Box<[u32; SIZE]>,
    at: usize,
}

impl Mersenne {
    /// `random.Random(seed)`: numbers by their absolute value, anything else by its text.
    pub fn new(seed: &Value) -> Self {
        match view(seed) {
            View::Int(number) => Self::from_key(&words(&number.unsigned_abs().to_be_bytes())),
            View::Bool(flag) => Self::from_key(&[u32::from(flag)]),
            _ => Self::from_text(&crate::text::to_str(seed)),
        }
    }

    /// `random.Random("text")`.
    fn from_text(text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend(sha2::Sha512::digest(text.as_bytes()));
        Self::from_key(&words(&bytes))
    }

    fn from_key(key: &[u32]) -> Self {
        let mut state = Box::new([0u32; SIZE]);
        state[0] = 19_650_218;
        for at in 1..SIZE {
            let before = state[at - 1];
            state[at] = 1_812_433_253u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(at as u32);
        }
        let (mut at, mut from) = (1, 0);
        let step = |state: &mut [u32; SIZE], at: &mut usize| {
            *at += 1;
            if *at >= SIZE {
                state[0] = state[SIZE - 1];
                *at = 1;
            }
        };
        for _ in 0..SIZE.max(key.len()) {
            let before = state[at - 1];
            state[at] = (state[at] ^ (before ^ (before >> 30)).wrapping_mul(1_664_525))
                .wrapping_add(key[from])
                .wrapping_add(from as u32);
            from = (from + 1) % key.len();
            step(&mut state, &mut at);
        }
        for _ in 0..SIZE - 1 {
            let before = state[at - 1];
            state[at] =
                (state[at] ^ (before ^ (before >> 30)).wrapping_mul(1_566_083_941)).wrapping_sub(at as u32);
            step(&mut state, &mut at);
        }
        state[0] = 0x8000_0000;
        Self { state, at: SIZE }
    }

    fn next(&mut self) -> u32 {
        if self.at >= SIZE {
            for at in 0..SIZE {
                let mixed = (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % SIZE] & 0x7fff_ffff);
                let turned = (mixed >> 1) ^ if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[at] = self.state[(at + 397) % SIZE] ^ turned;
            }
            self.at = 0;
        }
        let mut number = self.state[self.at];
        self.at += 1;
        number ^= number >> 11;
        number ^= (number << 7) & 0x9d2c_5680;
        number ^= (number << 15) & 0xefc6_0000;
        number ^ (number >> 18)
    }

    fn bits(&mut self, count: u32) -> u64 {
        if count <= 32 {
            return u64::from(self.next() >> (32 - count.max(1)));
        }
        let low = u64::from(self.next());
        low | u64::from(self.next() >> (64 - count)) << 32
    }

    /// A number below `limit`, which is at least 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        let count = 64 - limit.max(1).leading_zeros();
        loop {
            let number = self.bits(count);
            if number < limit.max(1) {
                return number;
            }
        }
    }
}

/// 32-bit words, the least significant one first, without leading zeros.
fn words(big_endian: &[u8]) -> Vec<u32> {
    let mut out: Vec<u32> = big_endian
        .rchunks(4)
        .map(|chunk| chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)))
        .collect();
    while out.len() > 1 && out.last() == Some(&0) {
        out.pop();
    }
    out
}
