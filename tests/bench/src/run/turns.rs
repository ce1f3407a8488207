//! Figures of several rounds, and how they compare.

use serde::Serialize;

/// One figure of each round, in the order of the rounds.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Rounds(pub(crate) Vec<f64>);

impl Rounds {
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub(crate) fn median(&self) -> f64 {
        self.sorted().get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The least and the most.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let sorted = self.sorted();
        let end = |figure: Option<&f64>| figure.copied().unwrap_or(f64::NAN);
        (end(sorted.first()), end(sorted.last()))
    }

    /// Round by round: what disturbs the machine for a while disturbs both.
    pub(crate) fn against(&self, base: &Self) -> Self {
        Self(self.0.iter().zip(&base.0).map(|(figure, base)| figure / base).collect())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut figures = self.0.clone();
        figures.sort_by(f64::total_cmp);
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        let slow_in_the_second = Rounds(vec![10.0, 4.0, 11.0]);
        let base = Rounds(vec![20.0, 8.0, 20.0]);
        let ratio = slow_in_the_second.against(&base);
        assert_eq!(ratio.0, [0.5, 0.5, 0.55]);
        assert_eq!((ratio.median(), ratio.spread()), (0.5, (0.5, 0.55)));
    }

    #[test]
    fn nothing_measured_is_no_number() {
        assert!(Rounds::default().median().is_nan());
    }
}
