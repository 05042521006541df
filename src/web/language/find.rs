//! Search, conditions, labels, LogQL and what is wrong with it.

use crate::web::language::phrases;

phrases! {
    labels: "Labels" | "레이블";
    labels_none: "No lines in this range, so no labels either." | "이 기간에는 로그가 없어 레이블도 없습니다.";
    labels_all: "All labels and values" | "모든 레이블과 값";
    labels_find: "Find a label or value" | "레이블이나 값 찾기";
    labels_find_go: "Find" | "찾기";
    labels_no_match(text: &str): "No label or value has “{text}” in it." | "“{text}”이(가) 들어간 레이블이나 값이 없습니다.";
    labels_show_all: "Show all" | "전체 보기";
    labels_back: "Back to the lines" | "로그로 돌아가기";
    labels_more(count: usize, name: &str): "One more value of {name}" / "One of {count} more values of {name}" | "{name}의 다른 값 {count}개 중에서";
    labels_pick: "Pick" | "선택";
    labels_lines: "lines" | "줄 수";

    filter: "Filter" | "필터";
    filter_add: "Add filter" | "필터 추가";
    filter_kind: "Kind of filter" | "필터 종류";
    filter_contains: "line contains" | "줄에 포함";
    filter_excludes: "line does not contain" | "줄에서 제외";
    filter_is: "label or field is" | "레이블·필드 값이 같음";
    filter_is_not: "label or field is not" | "레이블·필드 값이 다름";
    filter_matches: "line matches (regex)" | "줄이 정규식과 일치";
    filter_matches_not: "line does not match (regex)" | "줄이 정규식과 불일치";
    filter_name: "Label or field" | "레이블 또는 필드";
    filter_text: "Text or value" | "글자 또는 값";

    conditions: "Conditions" | "조건";
    clear_all: "Clear all" | "모두 지우기";
    chip_excludes(text: &str): "not “{text}”" | "“{text}” 제외";
    chip_remove(text: &str): "Remove {text}" | "{text} 지우기";
    chip_exclude(text: &str): "{text}: show the others instead" | "{text}: 반대로 이 조건을 빼고 보기";
    chip_include(text: &str): "{text}: show only these instead" | "{text}: 반대로 이 조건만 보기";

    search_placeholder: "Lines that contain…" | "줄에서 찾을 글자";
    search_label: "Lines that contain" | "줄에서 찾을 글자";
    search_either_case: "Upper and lower case are the same" | "대소문자 구분 안 함";
    search_any_case: "any case" | "대소문자 무시";
    search_go: "Search" | "검색";

    logql_box: "Query in LogQL" | "LogQL 쿼리";
    logql_run: "Run" | "실행";
    logql_back: "Back to lines" | "로그 줄로 돌아가기";
    logql_explain: "What this query does" | "이 쿼리가 하는 일";
    logql_choices: "Suggestions" | "제안";
    logql_keys: "↑ ↓ to choose, Enter to take, Ctrl Enter to run" | "↑ ↓ 선택 · Enter 입력 · Ctrl Enter 실행";

    kind_label: "label" | "레이블";
    kind_value: "value" | "값";
    kind_field: "field" | "필드";
    kind_function: "function" | "함수";
    kind_stage: "stage" | "단계";
    kind_range: "span" | "기간";

    about_json: "read the fields of JSON lines" | "JSON 줄의 필드 읽기";
    about_logfmt: "read key=value pairs" | "key=value 값 읽기";
    about_pattern: "take out parts by <names>" | "<이름> 자리의 값 꺼내기";
    about_regexp: "take out parts by a regex" | "정규식으로 값 꺼내기";
    about_unpack: "unpack packed lines" | "묶인 줄 풀기";
    about_line_format: "write lines anew" | "줄 다시 쓰기";
    about_label_format: "rename or set fields" | "필드 이름·값 바꾸기";
    about_drop: "remove fields" | "필드 빼기";
    about_keep: "keep only some fields" | "일부 필드만 남기기";
    about_decolorize: "take colours out" | "색상 코드 지우기";
    about_unwrap: "take a field as a number" | "필드를 숫자로 쓰기";
    about_stage: "go on with a stage" | "다음 단계";
    about_contains: "contains" | "포함";
    about_excludes: "does not contain" | "제외";
    about_matches: "matches a regex" | "정규식과 일치";
    about_matches_not: "does not match a regex" | "정규식과 불일치";
    about_is: "is" | "같음";
    about_is_not: "is not" | "다름";
    about_more: "more than" | "초과";
    about_at_least: "at least" | "이상";
    about_less: "less than" | "미만";
    about_at_most: "at most" | "이하";

    no_lines: "No lines here" | "로그가 없습니다";
    nothing_try(span: &str, zone: &str): "{span}, {zone}. Try one of these:" | "{span}, {zone}. 이렇게 해 보세요.";
    nothing_try_these: "Try one of these:" | "이렇게 해 보세요.";
    all_lines: "All lines" | "모든 로그";
    try_either_case(text: &str): "“{text}” in upper or lower case" | "대소문자 구분 없이 “{text}”";
    try_plain_quotes(text: &str): "With plain quotes: {text}" | "곧은따옴표로: {text}";
    try_excluding(text: &str): "Lines without “{text}”" | "“{text}” 없는 줄만 보기";
    try_all_levels: "All levels" | "모든 레벨";
    try_without(text: &str): "Without {text}" | "{text} 조건 빼기";
    did_you_mean(word: &str): "Did you mean {word}?" | "{word}을(를) 찾으셨나요?";


    feed_title: "Send your first lines" | "첫 로그 보내기";
    feed_point: "Point Promtail at this address, in the clients part of its promtail.yaml:" | "Promtail의 promtail.yaml에서 clients 부분에 이 주소를 넣으세요.";
    feed_token: "Make a token for it" | "토큰 만들기";
    feed_copy: "Copy" | "복사";
    feed_copied: "Copied" | "복사됨";
    feed_others: "Grafana Alloy and every other client of Loki’s push API work the same way. A line shows here as soon as it is stored." | "Grafana Alloy 등 Loki 푸시 API를 쓰는 다른 클라이언트도 같은 방법으로 연결합니다. 저장된 로그는 바로 여기에 보입니다.";

    fault_place: "The query, with the error marked" | "오류 위치를 표시한 쿼리";
    fault_word(word: &str): "There is no “{word}”" | "“{word}”은(는) 없는 이름입니다";
    fault_open_text: "A text has no closing quote" | "닫는 따옴표가 없습니다";
    fault_open_selector: "The selector has no closing }" | "선택자를 닫는 }가 없습니다";
    fault_open_bracket: "A bracket is not closed" | "괄호가 닫히지 않았습니다";
    fault_open_range: "The span of time has no closing ]" | "기간을 닫는 ]가 없습니다";
    fault_range: "This is not a span of time" | "기간을 읽을 수 없습니다";
    fault_single_quotes: "Texts stand in double quotes" | "글자는 큰따옴표로 묶어야 합니다";
    fault_escape: "This backslash means nothing here" | "역슬래시 표기를 읽을 수 없습니다";
    fault_needs_quotes: "The text here needs quotes" | "이 값은 따옴표로 묶어야 합니다";
    fault_needs_match: "A name needs a comparison after it" | "이름 뒤에 비교 기호가 있어야 합니다";
    fault_quoted_name: "Names of labels have no quotes" | "레이블 이름에는 따옴표를 쓰지 않습니다";
    fault_bare_text: "A text cannot stand alone" | "글자만 따로 쓸 수 없습니다";
    fault_needs_stage: "A stage is missing after |" | "| 뒤에 단계가 없습니다";
    fault_needs_value: "A text or value is missing" | "글자나 값이 빠졌습니다";
    fault_needs_range: "A span of time is missing" | "기간이 빠졌습니다";
    fault_needs_expression: "An expression is missing" | "식이 빠졌습니다";
    fault_ends: "The query ends too early" | "쿼리가 끝까지 쓰이지 않았습니다";
    fault_needs_unwrap: "This function needs a field to take as a number" | "이 함수에는 숫자로 쓸 필드가 필요합니다";
    fault_no_unwrap: "This function counts lines, not values of a field" | "이 함수는 필드 값이 아니라 줄을 셉니다";
    fault_needs_number: "This function needs a number first" | "이 함수의 첫 자리에는 숫자가 필요합니다";
    fault_no_number: "This function takes no number" | "이 함수에는 숫자를 넣지 않습니다";
    fault_no_grouping: "This function cannot group" | "이 함수는 묶어서 계산할 수 없습니다";
    fault_needs_numbers: "Only numbers can be calculated with, not lines" | "줄이 아니라 숫자만 계산할 수 있습니다";
    fault_pattern: "This is not a valid regular expression" | "정규식이 올바르지 않습니다";
    fault_captures: "The pattern names nothing to take out" | "꺼낼 부분의 이름이 없습니다";
    fault_too_deep: "The query has too many levels of brackets" | "괄호가 너무 깊습니다";
    fault_too_long: "The query is too long" | "쿼리가 너무 깁니다";
    fault_variants: "“variants” is not supported" | "“variants”는 지원하지 않습니다";
    fault_unexpected(text: &str): "This cannot stand here: {text}" | "여기에 올 수 없습니다: {text}";

    advice_open_text: "Close the text with the quote that it began with." | "글자 끝에 처음과 같은 따옴표를 넣으세요.";
    advice_open_selector: "Close it, as in {app=\"web\"}." | "{app=\"web\"}처럼 닫아 주세요.";
    advice_open_bracket: "Add a ) for each ( that is open." | "열린 괄호마다 )를 넣으세요.";
    advice_range: "Write a number with a unit in brackets, as in [5m] or [1h30m]." | "[5m], [1h30m]처럼 숫자와 단위를 대괄호에 쓰세요.";
    advice_quotes: "Write it as in app=\"web\"." | "app=\"web\"처럼 쓰세요.";
    advice_escape: "Write \\\\ for a backslash, or put the text between ` and `." | "역슬래시는 \\\\로 쓰거나, 글자를 `로 묶으세요.";
    advice_match: "Add =, !=, =~ or !~ and a text in quotes; fields also take >, >=, < and <= with a number." | "=, !=, =~, !~와 따옴표로 묶은 값을 쓰세요. 필드에는 >, >=, <, <=와 숫자도 쓸 수 있습니다.";
    advice_quoted_name: "Write the name alone, as in app=\"web\"." | "app=\"web\"처럼 이름만 쓰세요.";
    advice_bare_text: "Write |= before a text to look for it." | "글자를 찾으려면 앞에 |=를 쓰세요.";
    advice_stage: "Try | json, | logfmt, or a condition such as | status >= 500." | "| json, | logfmt, | status >= 500 같은 조건을 써 보세요.";
    advice_value: "A text stands in quotes, as in |= \"error\"." | "|= \"error\"처럼 따옴표로 묶어 쓰세요.";
    advice_numbers: "Count lines first, as in rate({app=\"web\"}[5m])." | "rate({app=\"web\"}[5m])처럼 먼저 줄을 세세요.";
    advice_unwrap: "Add the field before the span, as in | json | unwrap took [5m]." | "| json | unwrap took [5m]처럼 기간 앞에 필드를 쓰세요.";
    advice_no_unwrap: "Leave out | unwrap, or use sum_over_time or another function of values." | "| unwrap을 빼거나 sum_over_time 같은 값 함수를 쓰세요.";
    advice_number: "As in topk(5, …) or quantile_over_time(0.99, …)." | "topk(5, …), quantile_over_time(0.99, …)처럼 쓰세요.";
    advice_no_grouping: "Put it into sum by (…), which groups any function." | "sum by (…)로 감싸면 묶을 수 있습니다.";
    advice_pattern: "Brackets ( ) [ ] and signs * + ? need a \\\\ before them to be plain text." | "( ) [ ] * + ? 를 글자 그대로 찾으려면 앞에 \\\\를 쓰세요.";
    advice_captures: "Name it, as in pattern \"<ip> <_> <status>\" or regexp \"(?P<status>[0-9]+)\"." | "pattern \"<ip> <_> <status>\"나 regexp \"(?P<status>[0-9]+)\"처럼 이름을 붙이세요.";
}
