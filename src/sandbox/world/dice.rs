//! The world's dice: `SplitMix64`, written out so that a seed gives the same sales with every version of every crate.

/// A stream of numbers that depends on nothing but what it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Dice {
    /// Dice for one purpose: the seed, then whatever tells this purpose from all others.
    pub(crate) fn new(parts: &[u64]) -> Self {
        Self(parts.iter().fold(GOLDEN, |state, part| mix(state ^ *part).wrapping_add(GOLDEN)))
    }

    /// The next 64 bits.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number in `low..=high`.
    pub(crate) const fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.abs_diff(low).saturating_add(1);
        low.wrapping_add_unsigned(self.next() % span)
    }

    /// An index under `length`; 0 for an empty list.
    pub(crate) fn below(&mut self, length: usize) -> usize {
        usize::try_from(self.next() % (length.max(1) as u64)).unwrap_or(0)
    }

    /// One of the list, which must not be empty.
    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// True this often in ten thousand.
    pub(crate) const fn chance(&mut self, per_ten_thousand: u64) -> bool {
        self.next() % 10_000 < per_ten_thousand
    }
}

/// A number for a name, to be one of the parts of [`Dice::new`].
pub(crate) fn tag(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_roll_the_same_and_others_do_not() {
        let rolls = |parts: &[u64]| {
            let mut dice = Dice::new(parts);
            [dice.next(), dice.next(), dice.next()]
        };
        assert_eq!(rolls(&[1, 2]), rolls(&[1, 2]));
        assert_ne!(rolls(&[1, 2]), rolls(&[2, 1]));
        assert_ne!(tag("quantity"), tag("totalPrice"));
    }

    #[test]
    fn a_roll_stays_within_its_bounds_and_reaches_both() {
        let mut dice = Dice::new(&[7]);
        let rolls: Vec<_> = (0..200).map(|_| dice.between(-1, 1)).collect();
        assert_eq!((rolls.iter().min(), rolls.iter().max()), (Some(&-1), Some(&1)));
        assert_eq!(dice.below(1), 0);
    }
}
