//! Times in Korean, put into the English words that are read: `어제 오후 5시 반` is `yesterday ~pm 5:30`. Pure.

/// Words that stand for one of ours. A longer word comes before one that it begins with.
const WORDS: [(&str, &str); 44] = [
    ("그저께", "2 days ago"),
    ("그제", "2 days ago"),
    ("어제", "yesterday"),
    ("오늘", "today"),
    ("지금", "now"),
    ("현재", "now"),
    ("오전", "~am"),
    ("새벽", "~am"),
    ("아침", "~am"),
    ("오후", "~pm"),
    ("저녁", "~pm"),
    ("정오", "noon"),
    ("자정", "midnight"),
    ("월요일", "monday"),
    ("화요일", "tuesday"),
    ("수요일", "wednesday"),
    ("목요일", "thursday"),
    ("금요일", "friday"),
    ("토요일", "saturday"),
    ("일요일", "sunday"),
    ("지난주", "last"),
    ("지난", "last"),
    ("최근", "last"),
    ("시간", "#hour"),
    ("주일", "#week"),
    ("개월", "#month"),
    ("시", "#o'clock"),
    ("분", "#minute"),
    ("초", "#second"),
    ("년", "#year"),
    ("월", "#month-of-year"),
    ("일", "#day"),
    ("주", "#week"),
    ("달", "#month"),
    ("반", "#half"),
    ("이전", "ago"),
    ("전", "ago"),
    // what a place in the sentence adds
    ("에서", ""),
    ("까지", ""),
    ("부터", ""),
    ("동안", ""),
    ("에", ""),
    ("의", ""),
    ("쯤", ""),
];

/// Whether any letter is Hangul.
pub(crate) fn is_korean(text: &str) -> bool {
    text.chars().any(|letter| ('가'..='힣').contains(&letter))
}

/// The text in English words; `None` where a word is not of time.
pub(crate) fn in_english(text: &str) -> Option<String> {
    let words = words(text)?;
    // amounts before "ago" or after "last" are lengths of time, others are points
    let is_length = words.iter().any(|word| word == "ago" || word == "last" || word == "#hour" || word == "#week");
    let mut english: Vec<String> = Vec::new();
    let mut clock: Vec<String> = Vec::new();
    let mut index = 0;
    while let Some(word) = words.get(index) {
        index += 1;
        let unit = words.get(index).and_then(|next| next.strip_prefix('#'));
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        let Some(unit) = unit.filter(|_| is_number) else {
            match word.as_str() {
                "#half" if clock.len() == 1 => clock.push("30".to_owned()),
                _ if word.starts_with('#') => return None,
                _ => english.push(word.clone()),
            }
            continue;
        };
        index += 1;
        match unit {
            "o'clock" if clock.is_empty() => clock.push(word.clone()),
            "minute" if clock.len() == 1 => clock.push(format!("{word:0>2}")),
            "second" if clock.len() == 2 => clock.push(format!("{word:0>2}")),
            "minute" | "second" | "hour" | "week" | "month" => english.push(format!("{word} {unit}s")),
            "day" if is_length && !english.iter().any(|word| word.starts_with('/')) => {
                english.push(format!("{word} days"));
            }
            "day" => english.push(format!("/{word}d")),
            "month-of-year" => english.push(format!("/{word}m")),
            "year" => english.push(format!("/{word}y")),
            _ => return None,
        }
    }
    if let [hour] = clock.as_slice() {
        english.push(format!("{hour}:00"));
    } else if !clock.is_empty() {
        english.push(clock.join(":"));
    }
    Some(english.join(" "))
}

/// Numbers and known words, taken apart where they are written together.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(letter) = rest.chars().next() {
        if is_korean(&rest[..letter.len_utf8()]) {
            let (korean, english) = WORDS.iter().find(|(korean, _)| rest.starts_with(korean))?;
            words.extend(english.split_whitespace().map(str::to_owned));
            rest = &rest[korean.len()..];
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || is_korean(c.encode_utf8(&mut [0; 4])));
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            words.push(word.to_owned());
            rest = after;
        }
        rest = rest.trim_start();
    }
    Some(words)
}
