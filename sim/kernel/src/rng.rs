//! Edit-stable randomness: one ChaCha8 stream for each decision site, keyed by (seed, label, index).
//!
//! Sampling is our own integer code over the raw words, pinned by golden values, because the ranges of libraries have
//! changed between versions and then every later draw shifts. No floating point.
//!
//! ```
//! use splitbrain_kernel::rng::Seed;
//!
//! let mut network = Seed(7).stream("network", 12);
//! let word = network.word();
//! assert_eq!(Seed(7).stream("network", 12).word(), word);
//!
//! // A draw of one stream moves no draw of another, and what was drawn before does not change a fork.
//! let mut one = network.fork("latency", 0);
//! network.below(6);
//! assert_eq!(network.fork("latency", 0).word(), one.word());
//! ```

use std::fmt;

use std::convert::Infallible;

use rand_chacha::ChaCha8Core;
use rand_chacha::rand_core::block::Generator as _;
use rand_chacha::rand_core::utils::fill_bytes_via_next_word;
use rand_chacha::rand_core::{SeedableRng as _, TryRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::Duration;

pub use rand_chacha::rand_core;

/// One `u64` that, with scenario and build, decides a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Seed {
    /// The stream of a decision site. `label` names the kind of site, `index` the site: never a position in a file and
    /// never dependent on a count.
    pub fn stream(self, label: &str, index: u64) -> Rng {
        Rng::new([self.0, fnv1a(label), index, 0])
    }
}

/// The stream as libraries that take a generator know it: every call draws whole words of it.
impl TryRng for Rng {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.word() >> 32) as u32)
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.word())
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        fill_bytes_via_next_word(target, || self.try_next_u64())
    }
}

/// FNV-1a over the text: a published, fixed hash, so that a label keys the same stream for ever.
pub const fn fnv1a(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

/// A stream of random words. Costs nothing until the first draw.
///
/// - `halves` is the block of the word that was drawn last, the lower half of each word first; `core` makes the next.
/// - Every draw takes one word, so `drawn` says where the next one lies.
#[derive(Clone)]
pub struct Rng {
    key: [u64; 4],
    core: Option<ChaCha8Core>,
    drawn: u64,
    halves: [u32; 2 * BLOCK_WORDS],
}

/// How many words the generator makes at a time.
const BLOCK_WORDS: usize = 32;

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rng({:016x}.{:x} at {})", self.key[1], self.key[2], self.drawn)
    }
}

impl Rng {
    const fn new(key: [u64; 4]) -> Self {
        Self { key, core: None, drawn: 0, halves: [0; 2 * BLOCK_WORDS] }
    }

    /// How many words were drawn. At the end of a run the position of every stream goes into the digest.
    pub const fn drawn(&self) -> u64 {
        self.drawn
    }

    /// A stream of its own below this one. It does not depend on what was drawn here.
    pub fn fork(&self, label: &str, index: u64) -> Self {
        let [seed, parent, own, depth] = self.key;
        // Each part is mixed in turn, so that neither equal nor swapped labels or indexes meet.
        let path = [own, fnv1a(label), index].into_iter().fold(mix(parent ^ depth), |path, part| mix(path ^ mix(part)));
        Self::new([seed, path, index, depth.wrapping_add(1)])
    }

    /// The next word.
    #[inline]
    pub fn word(&mut self) -> u64 {
        let place = self.drawn as usize % BLOCK_WORDS;
        if place == 0 {
            self.refill();
        }
        self.drawn += 1;
        u64::from(self.halves[2 * place]) | u64::from(self.halves[2 * place + 1]) << 32
    }

    /// Makes the next block. Apart, so that the rounds of the cipher stand in the program once, and not at each draw.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) {
        let key = self.key;
        self.core.get_or_insert_with(|| ChaCha8Core::from_seed(bytes_of(key))).generate(&mut self.halves);
    }

    /// A whole number below `bound`: one word, by multiplication (the bias is below 2⁻⁶⁴ times `bound`).
    ///
    /// # Panics
    /// Where `bound` is 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        scale(self.word(), bound)
    }

    /// A whole number from `low` to `high`, both included. One word.
    #[inline]
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "a range starts at its lower end");
        let word = self.word();
        match (high - low).checked_add(1) {
            Some(span) => low + scale(word, span),
            None => word,
        }
    }

    /// A span from `low` to `high`, both included. One word.
    #[inline]
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_nanos(self.between(low.as_nanos(), high.as_nanos()))
    }

    /// Whether something with this probability happens. One word.
    #[inline]
    pub fn chance(&mut self, probability: Ppm) -> bool {
        probability.hits(self.word())
    }

    /// An exponentially distributed span with this mean, by an integer table (no logarithm of a libm), cut off at 16
    /// times the mean. One word.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        exponential(self.word(), mean)
    }

    /// One of the items; `None` if there are none. One word either way.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let word = self.word();
        if items.is_empty() { None } else { items.get(scale(word, items.len() as u64) as usize) }
    }

    /// Fisher-Yates; one word for each item but the first.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

/// The key as the generator takes it.
fn bytes_of(key: [u64; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(key) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Mixes a word into another one: a step of SplitMix64, its increment included, so that zero is no fixed point.
#[inline]
pub const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Maps a word evenly onto the numbers below `bound`.
#[inline]
pub const fn scale(word: u64, bound: u64) -> u64 {
    ((word as u128 * bound as u128) >> 64) as u64
}

/// The 256 quantiles of the exponential distribution with mean 1, in units of 2⁻²⁴: entry `i` is `-ln(1 - i/256)`.
/// Between two entries the value is interpolated; beyond the last the tail repeats itself 256 times thinner.
const EXPONENTIAL: [u32; 257] = exponential_table();

/// Fills the table by integer arithmetic alone: `ln 2` times the base-2 logarithm, found bit by bit by squaring.
const fn exponential_table() -> [u32; 257] {
    let mut table = [0; 257];
    let mut i = 0;
    while i < 256 {
        // -log2(1 - i/256) = 8 - log2(256 - i), in units of 2^-32.
        let log = (8u64 << 32) - log2(256 - i as u64);
        // ln 2 in units of 2^-32 is 2977044472.
        table[i] = ((log as u128 * 2_977_044_472u128) >> 40) as u32;
        i += 1;
    }
    // The last cell is open: it ends at -ln(1/256), where the tail starts over.
    table[256] = (((8u128 << 32) * 2_977_044_472u128) >> 40) as u32;
    table
}

/// The base-2 logarithm of a number from 1 to 256, in units of 2⁻³².
const fn log2(number: u64) -> u64 {
    let whole = number.ilog2();
    // The mantissa in units of 2^-31, from 1 to 2.
    let mut mantissa = (number << 31) >> whole;
    let mut result = (whole as u64) << 32;
    let mut bit = 1u64 << 31;
    while bit > 0 {
        mantissa = (mantissa * mantissa) >> 31;
        if mantissa >= 2 << 31 {
            mantissa >>= 1;
            result |= bit;
        }
        bit >>= 1;
    }
    result
}

pub(crate) fn exponential(word: u64, mean: Duration) -> Duration {
    let mut base: u128 = 0;
    let mut word = word;
    // A word in the last of the 256 cells is in the tail: shift it out and go on, at most twice more.
    let mut round = 0;
    while word >> 56 == 0xff && round < 2 {
        base += u128::from(EXPONENTIAL[256]);
        word <<= 8;
        round += 1;
    }
    let cell = (word >> 56) as usize;
    let within = u128::from((word >> 24) as u32);
    let (low, high) =
        (u128::from(EXPONENTIAL[cell]), u128::from(EXPONENTIAL[(cell + 1).min(256)].max(EXPONENTIAL[cell])));
    let quantile = base + low + (((high - low) * within) >> 32);
    let nanos = (u128::from(mean.as_nanos()) * quantile) >> 24;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A probability in parts per million: from 0 (never) to 1,000,000 (always).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ppm(u32);

/// A text that is not a probability such as `0.5%`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a probability such as \"0.5%\" (from 0% to 100%, at most four decimals), got {0:?}")]
pub struct PpmError(pub String);

impl Ppm {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1_000_000);

    /// This many parts of a million.
    ///
    /// # Panics
    /// Above a million.
    pub const fn new(parts: u32) -> Self {
        assert!(parts <= 1_000_000, "a probability is at most a million parts of a million");
        Self(parts)
    }

    /// Parts of a million.
    pub const fn parts(self) -> u32 {
        self.0
    }

    /// Whether this word of a stream is a hit.
    #[inline]
    pub const fn hits(self, word: u64) -> bool {
        scale(word, 1_000_000) < self.0 as u64
    }

    /// Whether this half of a word is a hit.
    #[inline]
    pub const fn hits_half(self, half: u32) -> bool {
        ((half as u64 * 1_000_000) >> 32) < self.0 as u64
    }

    /// Reads `0.5%`.
    ///
    /// # Errors
    /// [`PpmError`] where the text is not a percentage between 0 and 100 with at most four decimals.
    pub fn parse(text: &str) -> Result<Self, PpmError> {
        let refuse = || PpmError(text.to_owned());
        let number = text.trim().strip_suffix('%').ok_or_else(refuse)?.trim_end();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || (number.contains('.') && !digits(fraction)) || fraction.len() > 4 {
            return Err(refuse());
        }
        let whole: u32 = whole.parse().map_err(|_| refuse())?;
        let fraction: u32 = format!("{fraction:0<4}").parse().map_err(|_| refuse())?;
        match whole.checked_mul(10_000).and_then(|parts| parts.checked_add(fraction)) {
            Some(parts) if parts <= 1_000_000 => Ok(Self(parts)),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 10_000, self.0 % 10_000);
        let text = format!("{whole}.{fraction:04}");
        f.pad(&format!("{}%", text.trim_end_matches('0').trim_end_matches('.')))
    }
}

impl fmt::Debug for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Ppm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u32(self.0) }
    }
}

impl<'de> Deserialize<'de> for Ppm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
        } else {
            let parts = u32::deserialize(deserializer)?;
            if parts > 1_000_000 { Err(serde::de::Error::custom("more than always")) } else { Ok(Self(parts)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::Rng as _;

    use super::*;

    const GOLDEN_WORDS: [u64; 16] = [
        3538556708420243785,
        5965070422404898285,
        15100414551899810159,
        14143245968698894295,
        3205316538768537356,
        18415134620400555771,
        18077250521294275469,
        13683702614511984502,
        4192459085186035994,
        2990144810242654416,
        3241475148222587345,
        4882235384134724033,
        7407701726982657992,
        15871868893921933544,
        6778077218430830115,
        9674063663843468815,
    ];

    type Samples = (Vec<u64>, Vec<u64>, Vec<u64>, Vec<u64>, [i32; 8]);

    fn golden_samples() -> Samples {
        (
            vec![19, 5, 71, 46, 69, 28, 17, 24],
            vec![12, 11, 12, 11],
            vec![4820008, 7714065, 5734380, 5931162],
            vec![115774720, 19598793, 285329341, 159035319],
            [7, 5, 3, 0, 1, 2, 6, 4],
        )
    }

    #[test]
    fn the_first_words_of_seed_0_are_pinned() {
        let mut rng = Seed(0).stream("golden", 1);
        let words: Vec<u64> = (0..16).map(|_| rng.word()).collect();
        assert_eq!(words, GOLDEN_WORDS);
    }

    #[test]
    fn the_algorithm_is_the_one_that_libraries_agree_on() {
        // `seed_from_u64(42)` gave this word in rand_chacha 0.3, 0.9 and 0.10.
        let mut core = ChaCha8Rng::seed_from_u64(42);
        assert_eq!(core.next_u64(), 0xae90_bfb5_395d_5ba1);
    }

    #[test]
    fn a_stream_has_the_words_of_the_library_over_many_blocks() {
        let mut rng = Seed(0).stream("golden", 1);
        let mut library = ChaCha8Rng::from_seed(bytes_of(rng.key));
        for _ in 0..10 * BLOCK_WORDS {
            assert_eq!(rng.word(), library.next_u64());
        }
    }

    #[test]
    fn a_library_that_takes_a_generator_draws_the_same_words() {
        fn library(generator: &mut impl rand_core::Rng) -> (u64, u32, [u8; 12]) {
            let (word, half) = (generator.next_u64(), generator.next_u32());
            let mut bytes = [0; 12];
            generator.fill_bytes(&mut bytes);
            (word, half, bytes)
        }
        let mut rng = Seed(0).stream("golden", 1);
        let (word, half, bytes) = library(&mut rng);
        assert_eq!((word, u64::from(half)), (GOLDEN_WORDS[0], GOLDEN_WORDS[1] >> 32));
        assert_eq!(bytes[..8], GOLDEN_WORDS[2].to_le_bytes());
        assert_eq!(bytes[8..], GOLDEN_WORDS[3].to_le_bytes()[..4]);
        assert_eq!(rng.drawn(), 4, "what a library draws is counted as what a node draws");
    }

    #[test]
    fn samples_are_pinned() {
        let mut rng = Seed(7).stream("samples", 0);
        let ms = Duration::from_millis;
        let below: Vec<u64> = (0..8).map(|_| rng.below(100)).collect();
        let between: Vec<u64> = (0..4).map(|_| rng.between(10, 12)).collect();
        let spans: Vec<u64> = (0..4).map(|_| rng.duration(ms(1), ms(10)).as_nanos()).collect();
        let exponentials: Vec<u64> = (0..4).map(|_| rng.exponential(ms(100)).as_nanos()).collect();
        let mut cards = [0, 1, 2, 3, 4, 5, 6, 7];
        rng.shuffle(&mut cards);
        assert_eq!((below, between, spans, exponentials, cards), golden_samples());
    }

    #[test]
    fn a_stream_is_its_own_by_seed_label_and_index() {
        let word = |seed, label, index| Seed(seed).stream(label, index).word();
        let base = word(1, "link", 2);
        assert_eq!(base, word(1, "link", 2));
        assert!([word(2, "link", 2), word(1, "node", 2), word(1, "link", 3)].iter().all(|other| *other != base));
    }

    #[test]
    fn forks_do_not_meet_and_do_not_depend_on_what_was_drawn() {
        let root = Seed(1).stream("root", 0);
        let mut drawn = root.clone();
        drawn.word();
        assert_eq!(root.fork("a", 1).word(), drawn.fork("a", 1).word());
        let paths = [
            vec![],
            vec![("a", 1)],
            vec![("a", 1), ("a", 1)],
            vec![("a", 1), ("b", 2)],
            vec![("b", 2), ("a", 1)],
            vec![("a", 2), ("b", 1)],
            vec![("a", 1), ("b", 2), ("c", 3)],
            vec![("a", 2), ("b", 1), ("c", 3)],
            vec![("b", 1), ("a", 2), ("c", 3)],
        ];
        let fork = |path: &Vec<(&str, u64)>| {
            path.iter().fold(root.clone(), |rng, (label, index)| rng.fork(label, *index)).word()
        };
        let words: std::collections::BTreeSet<u64> = paths.iter().map(fork).collect();
        assert_eq!(words.len(), paths.len());
    }

    #[test]
    fn the_exponential_table_is_the_logarithm() {
        // -ln(1 - 128/256) = ln 2 = 0.693147; -ln(1 - 255/256) = ln 256 = 5.545177.
        let millionths = |entry: u32| (u64::from(entry) * 1_000_000) >> 24;
        assert!(millionths(EXPONENTIAL[128]).abs_diff(693_147) <= 1);
        assert!(millionths(EXPONENTIAL[255]).abs_diff(5_545_177) <= 1);
        assert_eq!(EXPONENTIAL[0], 0);
        assert!(EXPONENTIAL.is_sorted());
    }

    #[test]
    fn exponentials_have_their_mean() {
        let mut rng = Seed(3).stream("mean", 0);
        let total: u64 = (0..100_000).map(|_| rng.exponential(Duration::from_micros(1_000)).as_nanos()).sum();
        assert!((total / 100_000).abs_diff(1_000_000) < 10_000, "the mean was {}", total / 100_000);
    }

    #[test]
    fn probabilities_are_read_and_printed() {
        for (text, parts) in [("0%", 0), ("0.5%", 5_000), ("100%", 1_000_000), ("0.0001%", 1), ("12.34%", 123_400)] {
            assert_eq!(Ppm::parse(text), Ok(Ppm::new(parts)));
            assert_eq!(Ppm::new(parts).to_string(), text);
        }
        for text in ["", "%", "5", "101%", "-1%", "0.00001%", "1..0%", "1.%", ".5%", "99999999999%"] {
            assert!(Ppm::parse(text).is_err(), "{text:?} was taken for a probability");
        }
    }

    #[test]
    fn a_chance_comes_as_often_as_it_should() {
        let mut rng = Seed(9).stream("chance", 0);
        let hits = (0..100_000).filter(|_| rng.chance(Ppm::new(250_000))).count();
        assert!(hits.abs_diff(25_000) < 500, "{hits} of 100000");
        assert!(!Ppm::NEVER.hits(0) && Ppm::ALWAYS.hits(u64::MAX) && Ppm::ALWAYS.hits_half(u32::MAX));
    }
}
