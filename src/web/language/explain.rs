//! A query in words: one sentence a step.

use crate::web::language::phrases;

phrases! {
    explain_all: "Looks at every line." | "모든 로그 줄을 봅니다.";
    explain_streams(conditions: &str): "Looks at lines whose labels fit: {conditions}." | "레이블이 다음과 같은 줄을 봅니다: {conditions}.";

    says_is(name: &str, value: &str): "{name} is “{value}”" | "{name} 값이 “{value}”";
    says_is_not(name: &str, value: &str): "{name} is not “{value}”" | "{name} 값이 “{value}” 아님";
    says_missing(name: &str): "{name} is empty or missing" | "{name} 없음";
    says_present(name: &str): "{name} is there" | "{name} 있음";
    says_one_of(name: &str, values: &str): "{name} is {values}" | "{name} 값이 {values}";
    says_none_of(name: &str, values: &str): "{name} is neither of {values}" | "{name}: {values} 제외";
    says_matches(name: &str, pattern: &str): "{name} matches the pattern “{pattern}”" | "{name} 값이 정규식 “{pattern}”에 맞음";
    says_matches_not(name: &str, pattern: &str): "{name} does not match the pattern “{pattern}”" | "{name} 값이 정규식 “{pattern}”에 맞지 않음";
    says_equal(name: &str, value: &str): "{name} is {value}" | "{name} 값이 {value}";
    says_not_equal(name: &str, value: &str): "{name} is not {value}" | "{name} 값이 {value} 아님";
    says_more(name: &str, value: &str): "{name} is more than {value}" | "{name} {value} 초과";
    says_at_least(name: &str, value: &str): "{name} is at least {value}" | "{name} {value} 이상";
    says_less(name: &str, value: &str): "{name} is less than {value}" | "{name} {value} 미만";
    says_at_most(name: &str, value: &str): "{name} is at most {value}" | "{name} {value} 이하";
    says_address(name: &str, pattern: &str): "{name} is an address of {pattern}" | "{name} 값이 {pattern} 범위의 주소";
    says_address_not(name: &str, pattern: &str): "{name} is no address of {pattern}" | "{name} 값이 {pattern} 범위의 주소가 아님";
    says_and(one: &str, other: &str): "{one} and {other}" | "{one} 그리고 {other}";
    says_or(one: &str, other: &str): "{one} or {other}" | "{one} 또는 {other}";

    explain_filter(condition: &str): "Keeps lines where {condition}." | "조건에 맞는 줄만 남깁니다: {condition}.";
    explain_contains(texts: &str): "Keeps lines that contain {texts}." | "{texts} 글자가 들어 있는 줄만 남깁니다.";
    explain_contains_either(texts: &str): "Keeps lines that contain {texts}, in upper or lower case." | "대소문자 구분 없이 {texts} 글자가 들어 있는 줄만 남깁니다.";
    explain_excludes(texts: &str): "Leaves out lines that contain {texts}." | "{texts} 글자가 들어 있는 줄을 뺍니다.";
    explain_excludes_either(texts: &str): "Leaves out lines that contain {texts}, in upper or lower case." | "대소문자 구분 없이 {texts} 글자가 들어 있는 줄을 뺍니다.";
    explain_matches(texts: &str): "Keeps lines in which the regular expression {texts} is found." | "정규식 {texts}에 맞는 줄만 남깁니다.";
    explain_matches_not(texts: &str): "Leaves out lines in which the regular expression {texts} is found." | "정규식 {texts}에 맞는 줄을 뺍니다.";
    explain_shape(texts: &str): "Keeps lines of the shape {texts}, where <_> is anything." | "{texts} 모양의 줄만 남깁니다. <_> 자리에는 무엇이든 올 수 있습니다.";
    explain_shape_not(texts: &str): "Leaves out lines of the shape {texts}, where <_> is anything." | "{texts} 모양의 줄을 뺍니다. <_> 자리에는 무엇이든 올 수 있습니다.";
    /// A text of an address among those that a line is tested for.
    explain_address(pattern: &str): "an address of {pattern}" | "{pattern} 범위의 주소";

    explain_json: "Reads each line as JSON: all its fields can be used from here on." | "각 줄을 JSON으로 읽습니다. 여기서부터 모든 필드를 쓸 수 있습니다.";
    explain_json_some(fields: &str): "Reads each line as JSON and takes {fields} out of it." | "각 줄을 JSON으로 읽어 {fields} 값을 꺼냅니다.";
    explain_logfmt: "Reads the key=value pairs of each line: all of them can be used from here on." | "각 줄의 key=value 값을 읽습니다. 여기서부터 모두 쓸 수 있습니다.";
    explain_logfmt_some(fields: &str): "Reads the key=value pairs of each line and takes {fields} out of them." | "각 줄의 key=value 값에서 {fields} 값을 꺼냅니다.";
    explain_strict: "A line with a broken pair gets an error." | "형식이 잘못된 줄에는 오류를 표시합니다.";
    explain_keep_empty: "Keys without a value are kept." | "값이 없는 키도 남깁니다.";
    explain_field(label: &str, expression: &str): "{label} (at {expression})" | "{label}({expression} 위치)";
    explain_regexp(pattern: &str): "Takes the named parts of the regular expression “{pattern}” out of each line, as fields." | "정규식 “{pattern}”에서 이름 붙인 부분을 필드로 꺼냅니다.";
    explain_pattern(pattern: &str): "Takes the parts in <…> out of lines of the shape “{pattern}”, as fields." | "“{pattern}” 모양의 줄에서 <…> 부분을 필드로 꺼냅니다.";
    explain_unpack: "Unpacks lines that an agent packed into JSON: labels become fields, the line is itself again." | "에이전트가 JSON으로 묶은 줄을 풉니다. 레이블은 필드가 되고 원래 줄로 돌아갑니다.";
    explain_decolorize: "Takes colour codes out of each line." | "각 줄에서 색상 코드를 지웁니다.";
    explain_line_format(template: &str): "Writes each line anew, as “{template}”." | "각 줄을 “{template}” 형식으로 다시 씁니다.";
    explain_rename(label: &str, source: &str): "Renames {source} to {label}." | "{source}의 이름을 {label}(으)로 바꿉니다.";
    explain_label_format(label: &str, template: &str): "Sets {label} to “{template}”." | "{label} 값을 “{template}”(으)로 정합니다.";
    explain_drop(fields: &str): "Removes these labels and fields: {fields}." | "다음 레이블과 필드를 뺍니다: {fields}.";
    explain_keep(fields: &str): "Keeps only these labels and fields: {fields}." | "다음 레이블과 필드만 남깁니다: {fields}.";
    /// A label that goes or stays only with a certain value.
    explain_where(name: &str, condition: &str): "{name} where {condition}" | "{name}({condition}일 때)";

    explain_unwrap(label: &str): "Takes {label} as a number." | "{label} 값을 숫자로 씁니다.";
    explain_unwrap_seconds(label: &str): "Takes {label} as a length of time, in seconds." | "{label} 값을 시간(초)으로 읽어 씁니다.";
    explain_unwrap_bytes(label: &str): "Takes {label} as a size, in bytes." | "{label} 값을 크기(바이트)로 읽어 씁니다.";

    explain_count(span: &str): "At each point, counts the lines of the {span} before it." | "각 시점마다 직전 {span} 동안의 줄 수를 셉니다.";
    explain_rate(span: &str): "At each point, gives lines per second over the {span} before it." | "각 시점마다 직전 {span} 동안의 초당 줄 수를 구합니다.";
    explain_rate_of(label: &str, span: &str): "At each point, adds up {label} over the {span} before it, per second." | "각 시점마다 직전 {span} 동안의 {label} 합계를 초당 값으로 구합니다.";
    explain_rate_counter(label: &str, span: &str): "At each point, gives how fast the counter {label} grew per second over the {span} before it." | "각 시점마다 직전 {span} 동안 카운터 {label}의 초당 증가량을 구합니다.";
    explain_bytes_rate(span: &str): "At each point, gives bytes of lines per second over the {span} before it." | "각 시점마다 직전 {span} 동안의 초당 바이트 수를 구합니다.";
    explain_bytes(span: &str): "At each point, adds up the bytes of the lines of the {span} before it." | "각 시점마다 직전 {span} 동안 쌓인 줄의 바이트를 더합니다.";
    explain_absent(span: &str): "Gives 1 at each point where there was no line in the {span} before it." | "직전 {span} 동안 줄이 하나도 없던 시점에 1을 냅니다.";
    explain_sum(label: &str, span: &str): "At each point, adds up {label} over the {span} before it." | "각 시점마다 직전 {span} 동안의 {label} 값을 더합니다.";
    explain_average(label: &str, span: &str): "At each point, gives the average of {label} over the {span} before it." | "각 시점마다 직전 {span} 동안 {label}의 평균을 구합니다.";
    explain_least(label: &str, span: &str): "At each point, gives the least {label} of the {span} before it." | "각 시점마다 직전 {span} 동안 {label}의 최솟값을 구합니다.";
    explain_most(label: &str, span: &str): "At each point, gives the greatest {label} of the {span} before it." | "각 시점마다 직전 {span} 동안 {label}의 최댓값을 구합니다.";
    explain_variance(label: &str, span: &str): "At each point, gives the variance of {label} over the {span} before it." | "각 시점마다 직전 {span} 동안 {label}의 분산을 구합니다.";
    explain_deviation(label: &str, span: &str): "At each point, gives the standard deviation of {label} over the {span} before it." | "각 시점마다 직전 {span} 동안 {label}의 표준편차를 구합니다.";
    explain_quantile(label: &str, span: &str, percent: &str): "At each point, gives the value that {percent} % of {label} stay at or below, over the {span} before it." | "각 시점마다 직전 {span} 동안 {label} 값의 {percent}%가 넘지 않는 값(백분위수)을 구합니다.";
    explain_first(label: &str, span: &str): "At each point, takes the first {label} of the {span} before it." | "각 시점마다 직전 {span} 동안의 첫 {label} 값을 씁니다.";
    explain_last(label: &str, span: &str): "At each point, takes the last {label} of the {span} before it." | "각 시점마다 직전 {span} 동안의 마지막 {label} 값을 씁니다.";
    explain_offset(span: &str): "Looks {span} further back in time." | "{span} 전의 값을 봅니다.";
    explain_offset_ahead(span: &str): "Looks {span} ahead in time." | "{span} 뒤의 값을 봅니다.";

    explain_by(labels: &str): "One result for each value of {labels}." | "{labels} 값마다 결과를 하나씩 냅니다.";
    explain_without(labels: &str): "Series that differ only in {labels} become one." | "{labels}만 다른 시계열은 하나로 합칩니다.";
    explain_one: "All series become one." | "모든 시계열을 하나로 합칩니다.";

    explain_series_sum: "Adds the series up." | "시계열을 더합니다.";
    explain_series_average: "Averages the series." | "시계열의 평균을 구합니다.";
    explain_series_count: "Counts the series." | "시계열의 개수를 셉니다.";
    explain_series_most: "Takes the greatest value of the series." | "시계열에서 가장 큰 값을 고릅니다.";
    explain_series_least: "Takes the least value of the series." | "시계열에서 가장 작은 값을 고릅니다.";
    explain_series_deviation: "Gives the standard deviation across the series." | "시계열 사이의 표준편차를 구합니다.";
    explain_series_variance: "Gives the variance across the series." | "시계열 사이의 분산을 구합니다.";
    explain_top(count: i64): "Keeps the series with the greatest value." / "Keeps the {count} series with the greatest values." | "값이 큰 시계열 {count}개만 남깁니다.";
    explain_bottom(count: i64): "Keeps the series with the least value." / "Keeps the {count} series with the least values." | "값이 작은 시계열 {count}개만 남깁니다.";
    explain_top_roughly(count: i64): "Keeps the series with about the greatest value." / "Keeps about the {count} series with the greatest values." | "값이 큰 시계열을 어림하여 {count}개 남깁니다.";
    explain_sort: "Sorts the series, least value first." | "값이 작은 시계열부터 늘어놓습니다.";
    explain_sort_desc: "Sorts the series, greatest value first." | "값이 큰 시계열부터 늘어놓습니다.";

    explain_literal(value: &str): "The number {value}." | "숫자 {value}입니다.";
    explain_vector(value: &str): "A series that is {value} at each point." | "모든 시점에서 {value}인 시계열입니다.";
    explain_label_replace(target: &str, replacement: &str, source: &str, pattern: &str): "Where the label {source} matches “{pattern}”, sets {target} to “{replacement}”." | "레이블 {source} 값이 “{pattern}”에 맞으면 {target} 값을 “{replacement}”(으)로 정합니다.";

    explain_left: "First, one side:" | "먼저 한쪽:";
    explain_right: "Then, the other side:" | "다음으로 다른 쪽:";
    explain_add: "Adds the two sides." | "양쪽을 더합니다.";
    explain_subtract: "Subtracts the second side from the first." | "앞쪽에서 뒤쪽을 뺍니다.";
    explain_multiply: "Multiplies the two sides." | "양쪽을 곱합니다.";
    explain_divide: "Divides the first side by the second." | "앞쪽을 뒤쪽으로 나눕니다.";
    explain_modulo: "Divides the first side by the second and takes what is left over." | "앞쪽을 뒤쪽으로 나눈 나머지를 구합니다.";
    explain_power: "Raises the first side to the power of the second." | "앞쪽을 뒤쪽만큼 거듭제곱합니다.";
    explain_or: "Takes the series of the first side, and those of the second that the first has not." | "앞쪽 시계열을 모두 쓰고, 앞쪽에 없는 것은 뒤쪽에서 가져옵니다.";
    explain_and: "Keeps the series of the first side that the second side has too." | "앞쪽 시계열 중 뒤쪽에도 있는 것만 남깁니다.";
    explain_unless: "Keeps the series of the first side that the second side has not." | "앞쪽 시계열 중 뒤쪽에 없는 것만 남깁니다.";
    explain_compared(sign: &str): "Keeps values of the first side that are {sign} the second." | "앞쪽 값이 뒤쪽 값과 {sign} 관계인 것만 남깁니다.";
    explain_compared_bool(sign: &str): "Gives 1 where the first side is {sign} the second, else 0." | "앞쪽 값이 뒤쪽 값과 {sign} 관계이면 1, 아니면 0을 냅니다.";
    explain_on(labels: &str): "Series belong together where {labels} are equal." | "{labels} 값이 같은 시계열끼리 짝짓습니다.";
    explain_ignoring(labels: &str): "Series belong together where all labels but {labels} are equal." | "{labels} 외의 레이블이 모두 같은 시계열끼리 짝짓습니다.";
    explain_many_left: "Several series of the first side may share one of the second." | "앞쪽의 여러 시계열이 뒤쪽 하나와 짝지을 수 있습니다.";
    explain_many_right: "Several series of the second side may share one of the first." | "뒤쪽의 여러 시계열이 앞쪽 하나와 짝지을 수 있습니다.";
    explain_copied(labels: &str): "The result also has {labels} of the side that is shared." | "결과에는 하나뿐인 쪽의 {labels}도 붙습니다.";
}
