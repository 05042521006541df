//! Reading lines: what their rows say, the look of the list, its order, what was cut.

use crate::web::language::phrases;

phrases! {
    frames(count: usize): "1 frame" / "{count} frames" | "프레임 {count}개";
    more_lines(count: usize): "1 more line" / "{count} more lines" | "{count}줄 더 보기";
    show_all(size: &str): "Show all · {size}" | "전체 보기 · {size}";
    silence(length: &str): "{length} without lines" | "{length} 동안 로그 없음";
    time_ago(length: &str): "{length} ago" | "{length} 전";
    same_lines(count: usize): "1 like it" / "{count} like it" | "비슷한 로그 {count}개";
    same_unlisted(count: usize): "1 more is not listed" / "{count} more are not listed" | "{count}개는 목록에 없음";
    more_fields(count: usize): "1 more field" / "{count} more fields" | "필드 {count}개 더";

    one_line: "1 line" | "로그 1줄";
    all_lines_shown(count: &str): "All {count} lines" | "로그 {count}줄 전부";
    some_of(count: &str, total: &str): "{count} of {total} lines" | "전체 {total}줄 중 {count}줄";
    newest_of(count: &str, total: &str): "{count} newest of {total} lines" | "전체 {total}줄 중 최근 {count}줄";
    oldest_of(count: &str, total: &str): "{count} oldest of {total} lines" | "전체 {total}줄 중 오래된 {count}줄";
    some_of_more(count: &str): "{count} lines, of more" | "{count}줄 표시, 더 있음";
    newest_of_more(count: &str): "{count} newest lines, of more" | "최근 {count}줄, 더 있음";
    oldest_of_more(count: &str): "{count} oldest lines, of more" | "오래된 {count}줄, 더 있음";
    put_together(lines: usize, rows: usize): "{lines} lines as {rows} rows: the same ones are put together, within this page only." | "{lines}줄을 {rows}행으로 묶었습니다. 이 페이지 안에서 같은 로그끼리만 묶습니다.";
    not_counted(why: &str): "The lines could not be counted: {why}" | "로그 수를 세지 못했습니다: {why}";
    lines_over_time: "Lines by level over time" | "시간대별 레벨별 로그 수";

    newest_first: "Newest first" | "최신순";
    oldest_first: "Oldest first" | "오래된순";
    change_order: "Change the order" | "정렬 순서 바꾸기";
    to_newest: "Newest" | "맨 최근";
    to_oldest: "Oldest" | "맨 처음";
    newer_lines: "Newer lines" | "이후 로그";
    older_lines: "Older lines" | "이전 로그";
    nothing_older: "Nothing older in this range." | "이 기간에는 더 이전 로그가 없습니다.";
    nothing_newer: "Nothing newer in this range." | "이 기간에는 더 이후 로그가 없습니다.";
    look_further_back: "Look further back" | "더 이전 기간 보기";

    look_title: "View" | "보기";
    wrapping: "Long lines" | "긴 줄";
    wrap_on: "Wrap" | "줄바꿈";
    wrap_off: "Scroll" | "옆으로 넘기기";
    look_records: "JSON and logfmt" | "JSON·logfmt 표시";
    records_fields: "Message" | "메시지";
    records_pretty: "Laid out" | "펼쳐서";
    records_raw: "Raw" | "원문";
    look_same: "Same lines" | "같은 로그";
    same_never: "Show all" | "모두 표시";
    same_text: "But for times" | "시각만 다른 것";
    same_numbers: "But for numbers" | "숫자만 다른 것";
    same_shape: "Same shape" | "모양이 같은 것";
    same_hint: "Counts within the lines of this page." | "이 페이지 안에서만 묶어 셉니다.";
    look_columns: "Columns" | "열";
    columns_hint: "Fields to show instead of the line" | "로그 대신 표시할 필드";
    column_line: "the line itself" | "로그 본문";
    other_columns: "Other fields" | "다른 필드";
    show_columns: "Show" | "표시";
    no_columns: "No columns" | "열 없애기";
    text_size: "Text size" | "글자 크기";
    size_small: "Small" | "작게";
    size_medium: "Medium" | "보통";
    size_large: "Large" | "크게";
    look_clock: "Time" | "시각";
    clock_day: "Time of day" | "시:분:초";
    clock_full: "Full" | "날짜까지";
    clock_ago: "How long ago" | "얼마 전";
    select_lines: "Select lines" | "로그 선택";
    select_this: "Select this line" | "이 로그 선택";
    selected_none: "Tap lines to select them" | "선택할 로그를 누르세요";
    selected_count: "# selected" | "#개 선택";
    copy_selected: "Copy" | "복사";
    too_much_to_copy: "These lines are too large to copy; open them one by one." | "복사하기에는 로그가 너무 큽니다. 하나씩 열어 주세요.";
    not_copied: "Could not copy" | "복사하지 못함";
    select_done: "Done" | "완료";
    column_time: "Time" | "시각";
}
