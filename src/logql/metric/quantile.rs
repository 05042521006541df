//! Quantiles of values that lie sorted in several runs: no copy is made of them, however many there are.

use crate::logql::metric::samples::{Entry, of_size_key, size_key};

/// The φ-quantile of the values of a window, between two of them where it falls there; none where there is no value.
/// Within a pane they are sorted by size.
pub(crate) fn quantile(phi: f64, window: &[Entry<f64>]) -> Option<f64> {
    if window.is_empty() {
        return None;
    }
    if phi.is_nan() {
        return Some(f64::NAN);
    }
    if phi < 0.0 {
        return Some(f64::NEG_INFINITY);
    }
    if phi > 1.0 {
        return Some(f64::INFINITY);
    }
    let rank = phi * (window.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(window.len() - 1);
    let weight = rank - rank.floor();
    let runs = runs(window);
    Some(at_rank(&runs, lower) * (1.0 - weight) + at_rank(&runs, upper) * weight)
}

/// The values of each pane.
fn runs(window: &[Entry<f64>]) -> Vec<&[Entry<f64>]> {
    let mut runs = Vec::new();
    let mut rest = window;
    while let Some(first) = rest.first() {
        let (run, others) = rest.split_at(rest.partition_point(|entry| entry.pane <= first.pane));
        runs.push(run);
        rest = others;
    }
    runs
}

/// The value that has so many smaller ones before it.
fn at_rank(runs: &[&[Entry<f64>]], rank: usize) -> f64 {
    if let [run] = runs {
        return run[rank].value;
    }
    // the least key that has more values up to it than the rank says
    let up_to =
        |key: u64| -> usize { runs.iter().map(|run| run.partition_point(|entry| size_key(entry.value) <= key)).sum() };
    let (mut low, mut high) = (0, u64::MAX);
    while low < high {
        let middle = low + (high - low) / 2;
        if up_to(middle) > rank { high = middle } else { low = middle + 1 }
    }
    of_size_key(low)
}

#[cfg(test)]
mod tests {
    use crate::logql::metric::quantile::quantile;
    use crate::logql::metric::samples::{Entry, size_key};
    use crate::logql::metric::steps::Pane;

    /// The values, spread over so many panes.
    fn window(values: &[f64], pane_count: u16) -> Vec<Entry<f64>> {
        let entry = |(index, value): (u16, &f64)| {
            let first = index % pane_count;
            Entry { series: 0, pane: Pane { first, after: first + 1 }, value: *value }
        };
        let mut entries: Vec<Entry<f64>> = (0..).zip(values).map(entry).collect();
        entries.sort_by_key(|entry| (entry.pane, size_key(entry.value)));
        entries
    }

    #[test]
    fn quantiles_lie_between_values_and_beyond_the_ends_are_infinite() {
        for pane_count in 1..5 {
            let entries = window(&[3.0, 1.0, 2.0, 4.0], pane_count);
            let found = [0.5, 0.0, 1.0, 1.5, -1.0].map(|phi| quantile(phi, &entries));
            assert_eq!(found, [2.5, 1.0, 4.0, f64::INFINITY, f64::NEG_INFINITY].map(Some));
            assert!(quantile(f64::NAN, &entries).is_some_and(f64::is_nan));
        }
        assert_eq!(quantile(0.5, &[]), None);
    }

    #[test]
    fn it_does_not_matter_how_values_are_spread() {
        let values: Vec<f64> = (0..200).map(|n| f64::from(n * 7919 % 101) * 1.37 - 40.0).collect();
        let alone = window(&values, 1);
        for pane_count in [2, 3, 17, 150] {
            let spread = window(&values, pane_count);
            for phi in [0.0, 0.01, 0.25, 0.5, 0.77, 0.99, 1.0] {
                assert_eq!(quantile(phi, &spread), quantile(phi, &alone), "{phi} in {pane_count} panes");
            }
        }
        let with_missing = window(&[f64::NAN, 1.0, f64::NAN], 2);
        assert!(quantile(0.0, &with_missing).is_some_and(f64::is_nan));
        assert_eq!(quantile(1.0, &with_missing), Some(1.0));
    }
}
