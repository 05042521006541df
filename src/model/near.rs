//! Which known word was meant by a misspelt one. Pure.

/// The known word that is nearest, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    // one letter of a short word, two of a longer one
    let allowed = match length {
        0..=2 => return None,
        3..=5 => 1,
        _ => 2,
    };
    let near = known.into_iter().filter_map(|other| {
        let lower = other.to_lowercase();
        if lower == word || lower.chars().count().abs_diff(length) > allowed {
            return None;
        }
        let distance = distance(&word, &lower);
        (distance <= allowed).then_some((distance, other))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// Letters to change, add, leave out or swap with their neighbour until one word is the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, target) in other.iter().enumerate() {
            let changed = rows[i][j] + usize::from(letter != target);
            let mut least = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == other[j - 1] && one[i - 1] == *target {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use crate::model::near::nearest;

    #[test]
    fn slips_of_the_finger_are_seen_through() {
        let known = ["json", "logfmt", "line_format", "label_format", "rate", "count_over_time"];
        let check = |word, expected: Option<&str>| assert_eq!(nearest(word, known), expected, "{word}");
        check("jsno", Some("json"));
        check("jsonn", Some("json"));
        check("LogFmt2", Some("logfmt"));
        check("lable_format", Some("label_format"));
        check("raet", Some("rate"));
        check("count_overtime", Some("count_over_time"));
        check("json", None);
        check("xml", None);
        check("ra", None);
        check("status", None);
        assert_eq!(nearest("젝슨프레소", ["에스프레소"]), None);
        assert_eq!(nearest("에스프레쏘", ["에스프레소"]), Some("에스프레소"));
    }
}
