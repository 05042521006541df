//! What lines have in common: their fields, their patterns, and what changed.

use crate::web::language::phrases;

phrases! {
    views_of_lines: "Views" | "보기";
    show_lines: "Lines" | "로그";
    show_fields: "Fields" | "필드";
    show_patterns: "Patterns" | "패턴";
    show_compare: "Compare" | "비교";

    read_all(lines: u64, count: &str): "Counted in the only line, all of the range." / "Counted in all {count} lines of the range." | "이 범위의 로그 {count}줄 전체를 집계했습니다.";
    read_part(count: &str, share: &str): "Counted in {count} lines, {share} of those in the range, spread evenly over it." | "이 범위에서 고르게 뽑은 로그 {count}줄({share})을 집계했습니다.";
    read_both(count: &str): "Counted in all {count} lines of both times." | "두 구간의 로그 {count}줄 전체를 집계했습니다.";
    read_both_part(count: &str, share: &str): "Counted in {count} lines, {share} of those of both times, spread evenly over them. Counts are estimates." | "두 구간에서 고르게 뽑은 로그 {count}줄({share})로 추정했습니다.";
    read_whole: "Count all lines" | "전체 집계하기";

    origin_labels: "Labels" | "라벨";
    origin_metadata: "Metadata" | "메타데이터";
    origin_json: "In the lines, as JSON" | "로그 속 JSON 필드";
    origin_logfmt: "In the lines, as logfmt" | "로그 속 logfmt 필드";
    origin_query: "Made by the query" | "쿼리가 만든 필드";
    values_exactly(exact: u64, count: &str): "1 value" / "{count} values" | "값 {count}개";
    values_about(count: &str): "about {count} values" | "값 약 {count}개";
    fields_search: "Find a field" | "필드 찾기";
    fields_all: "All fields" | "모든 필드";
    fields_none(name: &str): "No field is called “{name}”" | "‘{name}’ 필드가 없습니다";
    fields_none_at_all: "These lines have no fields" | "이 로그에는 필드가 없습니다";
    fields_hidden(count: u64): "1 more field: search for its name" / "{count} more fields: search for their names" | "필드 {count}개가 더 있습니다. 이름으로 찾아보세요";
    fields_beyond: "There are more fields than are told apart here" | "필드가 너무 많아 일부만 표시합니다";
    field_lines(share: &str): "{share} of lines" | "로그의 {share}";
    field_column: "Show as column" | "열로 표시";
    field_column_off: "Remove the column" | "열에서 빼기";
    field_more: "More values" | "값 더 보기";
    value_with(name: &str): "Only lines with this {name}" | "이 {name} 값만 보기";
    value_without(name: &str): "Only lines without this {name}" | "이 {name} 값 제외하기";
    value_is_empty: "(empty)" | "(빈 값)";
    numbers_over: "Lines by number: tap a bar to see only those" | "값 분포: 막대를 누르면 그 범위만 표시";
    number_least: "Least" | "최소";
    number_middle: "Median" | "중앙값";
    number_p95: "95 % are below" | "95%가 이하";
    number_most: "Most" | "최대";

    sort_by: "Sort by" | "정렬";
    sort_count: "Most lines" | "많은 순";
    sort_newest: "Newest" | "새로 나타난 순";
    sort_growing: "Growing" | "늘어나는 순";
    pattern_lines: "Show lines" | "로그 보기";
    pattern_without: "Hide" | "숨기기";
    pattern_example: "Example" | "예시";
    pattern_first(time: &str): "first at {time}" | "{time}에 처음 나타남";
    pattern_trend: "Over time" | "시간별 추이";
    patterns_further(patterns: u64, count: &str, lines: &str): "1 more pattern, with {lines} lines" / "{count} more patterns, with {lines} lines" | "패턴 {count}개가 더 있습니다(로그 {lines}줄)";
    patterns_all: "Show all patterns" | "모든 패턴 보기";
    example_gone: "No such line is there any more." | "해당하는 로그가 더 이상 없습니다.";

    compare_with: "Compare with" | "비교 대상";
    than_before: "The time before" | "직전 구간";
    than_yesterday: "Yesterday" | "어제 같은 시각";
    than_last_week: "Last week" | "지난주 같은 시각";
    compare_now: "Now" | "지금";
    compare_before: "Before" | "이전";
    compare_change: "Change" | "변화";
    compare_all_lines: "All lines" | "전체 로그";
    levels_changed: "Levels" | "레벨";
    services_changed: "Services" | "서비스";
    change_new: "new" | "신규";
    change_gone: "gone" | "사라짐";
    section_new: "New" | "새로 나타남";
    section_grown: "Grew" | "늘어남";
    section_shrunk: "Shrank" | "줄어듦";
    section_gone: "Gone" | "사라짐";
    section_values: "More of the lines have" | "비중이 커진 값";
    section_values_hint: "Share of lines, now and before" | "전체 로그 중 비중, 지금과 이전";
    nothing_changed: "Nothing changed beyond chance" | "우연을 넘는 변화가 없습니다";
    nothing_before: "There are no lines in the time before to compare with" | "비교할 이전 로그가 없습니다";
    try_another: "Compare with another time, or choose a shorter range." | "다른 시점과 비교하거나 더 짧은 범위를 선택해 보세요.";
    counts_missing: "Levels and services could not be counted in time; choose a shorter range." | "시간 안에 레벨과 서비스를 집계하지 못했습니다. 더 짧은 범위를 선택해 보세요.";
    changes_further(count: &str): "and {count} more" | "외 {count}개";
}
