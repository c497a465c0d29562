//! The few numbers that stand for many.

use serde::{Deserialize, Serialize};

/// The middle of some numbers, and how far half of them are spread around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quartiles {
    /// A quarter is below this.
    pub lower: f64,
    /// Half is below this.
    pub median: f64,
    /// Three quarters are below this.
    pub upper: f64,
}

impl Quartiles {
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        Self {
            lower: quantile(&numbers, 0.25),
            median: quantile(&numbers, 0.5),
            upper: quantile(&numbers, 0.75),
        }
    }

    /// The quartiles of the quotients of what was measured in the same rounds.
    pub(crate) fn of_ratios(above: &[f64], below: &[f64]) -> Self {
        Self::of(above.iter().zip(below).map(|(above, below)| above / below))
    }
}

/// The number below which this part of the sorted ones lies.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_part_the_numbers_in_four() {
        let quartiles = Quartiles::of([5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(
            (quartiles.lower, quartiles.median, quartiles.upper),
            (2.0, 3.0, 4.0)
        );
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let ratios = Quartiles::of_ratios(&[2.0, 20.0, 200.0], &[1.0, 10.0, 100.0]);
        assert_eq!((ratios.lower, ratios.upper), (2.0, 2.0));
    }
}
