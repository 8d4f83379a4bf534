//! The values of a term that are considered, and what any value is worth.
//!
//! It never looks at more than one term.

use super::preferences::{Domain, Value, Values};

/// How many values of one term are considered; of more numbers or windows, some that stand for all.
pub(super) const OPTIONS_MAX: usize = 256;

/// The values of a term that are offered. `marks` are values at which something changes (in numbers and in times).
pub(super) fn options(domain: &Domain, marks: &[i64]) -> Vec<Value> {
    match domain {
        Domain::Number { min, max, step, worth } => {
            let points = worth.points.iter().map(|(at, _)| *at);
            let marks: Vec<i64> = marks.iter().copied().chain(points).collect();
            grid(*min, *max, *step, &marks, OPTIONS_MAX).into_iter().map(Value::Number).collect()
        }
        Domain::Choice(choices) => choices.iter().map(|(text, _)| Value::Text(text.clone())).collect(),
        Domain::Window { earliest, latest, step, shortest, longest, by_start, by_length } => {
            let begins: Vec<i64> =
                marks.iter().copied().chain(by_start.points.iter().map(|(at, _)| *at)).collect();
            let spans: Vec<i64> = by_length.points.iter().map(|(at, _)| *at).collect();
            let starts = grid(*earliest, latest.saturating_sub(*shortest), *step, &begins, OPTIONS_MAX / 16);
            let lengths = grid(*shortest, *longest, *step, &spans, OPTIONS_MAX / 16);
            let windows = starts.iter().flat_map(|start| lengths.iter().map(move |length| (*start, *length)));
            windows
                .map(|(start, length)| (start, start.saturating_add(length)))
                .filter(|(_, end)| end <= latest)
                .map(|(start, end)| Value::Window { start, end })
                .collect()
        }
    }
}

/// What `value` is worth; `None` if it is not in the domain.
pub(super) fn worth(domain: &Domain, value: &Value) -> Option<f64> {
    match (domain, value) {
        (Domain::Number { min, max, worth, .. }, Value::Number(number)) if min <= number && number <= max => {
            Some(worth.worth(*number))
        }
        (Domain::Choice(choices), Value::Text(text)) => {
            choices.iter().find(|(choice, _)| choice == text).map(|(_, worth)| *worth)
        }
        (
            Domain::Window { earliest, latest, shortest, longest, by_start, by_length, .. },
            Value::Window { start, end },
        ) => {
            let length = end.checked_sub(*start)?;
            let inside = earliest <= start && end <= latest && *shortest <= length && length <= *longest;
            inside.then(|| by_start.worth(*start) + by_length.worth(length))
        }
        _ => None,
    }
}

/// The place among `options` of the one that is nearest to `value`, and whether it is the same.
pub(super) fn nearest(options: &[Value], value: &Value) -> Option<(usize, bool)> {
    let distance = |option: &Value| match (option, value) {
        (Value::Number(a), Value::Number(b)) => Some(a.abs_diff(*b)),
        (Value::Text(a), Value::Text(b)) if a == b => Some(0),
        (Value::Window { start: a, end: b }, Value::Window { start: c, end: d }) => {
            Some(a.abs_diff(*c).saturating_add(b.abs_diff(*d)))
        }
        _ => None,
    };
    let near = options.iter().enumerate().filter_map(|(at, option)| Some((distance(option)?, at))).min()?;
    Some((near.1, near.0 == 0))
}

/// The values of a condition at which it begins or ceases to hold.
pub(super) fn marks(values: &Values) -> Vec<i64> {
    match values {
        Values::Numbers(from, to) => vec![*from, *to],
        Values::Texts(_) => Vec::new(),
        Values::Within { start, end } | Values::Overlapping { start, end } => vec![*start, *end],
    }
}

/// The multiples of `step` from `min` to `max`, and `max`; if they are more than `most`, some of them at equal distances and
/// those beside `marks`.
fn grid(min: i64, max: i64, step: i64, marks: &[i64], most: usize) -> Vec<i64> {
    let step = i128::from(step.max(1));
    let (min, max) = (i128::from(min), i128::from(max));
    let count = (max - min).max(0) / step;
    let most = i128::try_from(most).unwrap_or(i128::MAX).max(2);
    let mut multiples: Vec<i128> = if count < most {
        (0..=count).collect()
    } else {
        let even = most * 3 / 4;
        let beside =
            marks.iter().map(|mark| (i128::from(*mark) - min).div_euclid(step)).flat_map(|at| [at, at + 1]);
        let beside =
            beside.filter(|at| (0..=count).contains(at)).take(usize::try_from(most - even).unwrap_or(0));
        (0..even).map(|part| count * part / (even - 1).max(1)).chain(beside).collect()
    };
    multiples.sort_unstable();
    multiples.dedup();
    let mut values: Vec<i64> =
        multiples.into_iter().filter_map(|at| i64::try_from(min + at * step).ok()).collect();
    if let Ok(max) = i64::try_from(max)
        && values.last().is_some_and(|last| *last < max)
    {
        values.push(max);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::negotiation::strategy::Curve;

    #[test]
    fn all_numbers_are_options_if_they_are_few_and_the_largest_always_is() {
        assert_eq!(grid(0, 10, 3, &[], 256), [0, 3, 6, 9, 10]);
        assert_eq!(grid(5, 5, 1, &[], 256), [5]);
    }

    #[test]
    fn of_many_numbers_some_stand_for_all_with_those_where_something_changes() {
        let values = grid(i64::MIN, i64::MAX, 1, &[17], 256);
        assert!(values.len() <= OPTIONS_MAX + 1);
        assert!(values.contains(&i64::MIN) && values.contains(&i64::MAX) && values.contains(&17));
    }

    #[test]
    fn windows_end_in_time() {
        let window = Domain::Window {
            earliest: 0,
            latest: 10,
            step: 2,
            shortest: 4,
            longest: 8,
            by_start: Curve::default(),
            by_length: Curve::default(),
        };
        let all = options(&window, &[]);
        assert_eq!(all.len(), 4 + 3 + 2);
        assert!(all.iter().all(|value| worth(&window, value).is_some()));
        assert_eq!(worth(&window, &Value::Window { start: 0, end: 9 }), None, "too long");
    }
}
