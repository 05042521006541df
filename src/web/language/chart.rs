//! Numbers over time: the chart and its table.

use crate::web::language::phrases;

phrases! {
    no_numbers: "No numbers here" | "표시할 값이 없습니다";
    no_numbers_hint: "No line in this range counts for this query. Try a longer range." | "이 구간에는 쿼리에 해당하는 로그가 없습니다. 더 긴 구간을 보세요.";
    values_over_time: "Values over time; the table below has them as numbers" | "시간에 따른 값. 숫자는 아래 표에 있습니다";
    series_table: "Series" | "계열 표";
    series: "Series" | "계열";
    all_series: "all" | "전체";
    value: "Value" | "값";
    last_value: "Last" | "최근";
    least_value: "Least" | "최소";
    most_value: "Most" | "최대";
    mean_value: "Mean" | "평균";
    drawn_as: "Draw as" | "표시 방식";
    as_lines: "Lines" | "선";
    as_bars: "Bars" | "막대";
    as_stack: "Stacked" | "누적";
    as_table: "Now" | "현재 값";
    unit_is: "Unit" | "단위";
    unit_plain: "Number" | "숫자";
    unit_bytes: "Bytes" | "바이트";
    unit_seconds: "Seconds" | "초";
    unit_percent: "Percent" | "퍼센트";
    show_or_hide: "Show or hide" | "표시하거나 숨기기";
    only_this: "Only this, or all again" | "이 계열만 보기, 다시 누르면 전체";
    first_of_series(shown: usize, total: usize): "The first {shown} of {total} series are shown. Narrow the query, or sum by fewer labels." | "계열 {total}개 중 {shown}개만 표시합니다. 쿼리를 좁히거나 더 적은 레이블로 합치세요.";
}
