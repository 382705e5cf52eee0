//! "Did you mean": suggests a known name for an unknown one.

/// Returns the candidate nearest to `unknown`, if one is near enough.
pub(super) fn nearest<'a>(
    unknown: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = (unknown.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(unknown, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns the number of characters to insert, remove, replace, or swap with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, character) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        let mut left = row + 1;
        for (column, other) in to.iter().enumerate() {
            let at =
                |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(character != *other);
            let mut cost = replaced.min(at(&last, column + 1) + 1).min(left + 1);
            let swapped =
                column > 0 && to.get(column - 1) == Some(&character) && previous == Some(*other);
            if swapped {
                cost = cost.min(at(&before_last, column - 1) + 1);
            }
            current.push(cost);
            left = cost;
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(character);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_mistakes() {
        for (from, to, expected) in [
            ("board", "board", 0),
            ("bord", "board", 1),
            ("baord", "board", 1),
            ("boards", "board", 1),
            ("beard", "board", 1),
            ("", "abc", 3),
            ("abc", "", 3),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(nearest("baord", ["legal", "board"]), Some("board"));
        assert_eq!(nearest("finance", ["legal", "board"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
