//! Live lines: the states in words, what a tap does, what was skipped.

use crate::web::language::phrases;

phrases! {
    go_live: "Live" | "실시간";
    go_live_title: "New lines come in as they are stored" | "새 로그가 저장되는 대로 표시";
    stop_live: "Stop" | "중지";
    stop_live_title: "Stop live: stay with the lines that are there" | "실시간 중지: 지금까지의 로그만 보기";
    live_strip: "Live lines" | "실시간 로그";
    live_connecting: "Connecting…" | "연결 중…";
    live_on: "Live" | "실시간";
    live_paused: "Paused" | "일시정지";
    live_reconnecting: "Reconnecting…" | "다시 연결 중…";
    live_ended: "Ended" | "종료됨";
    live_new(count: &str): "({count} new)" | "(새 로그 {count}줄)";
    live_pause: "Pause" | "일시정지";
    live_resume: "Resume" | "계속 보기";
    live_show_new(count: &str): "Show {count} new" | "새 로그 {count}줄 보기";
    live_try_now: "Try now" | "지금 재시도";
    live_again: "Go live again" | "다시 실시간으로";
    live_sign_in: "Sign in" | "로그인";
    live_waiting: "waiting for the first line" | "첫 로그를 기다리는 중";
    live_silent_since(time: &str): "no answer since {time}" | "{time}부터 응답 없음";
    live_offline: "this device is offline" | "이 기기가 오프라인입니다";
    live_ended_at(time: &str, why: &str): "{time}: {why}" | "{time}, 이유: {why}";
    live_signed_out: "you are signed out" | "로그아웃되었습니다";
    live_no_lines: "only lines can be followed, and this query answers numbers" | "로그 줄만 실시간으로 볼 수 있습니다. 이 쿼리의 결과는 숫자입니다";
    live_stands_still(time: &str): "counts as of {time}" | "{time} 기준 집계";
    live_refreshes(seconds: u64): "this page loads again every {seconds} seconds" | "{seconds}초마다 새로 고침";
    live_older: "Older lines" | "이전 로그";
    live_total(count: &str): "{count} lines in this range" | "이 범위에 로그 {count}줄";
    live_skipped(count: u64): "{count} line was skipped" / "{count} lines were skipped" | "로그 {count}줄을 건너뛰었습니다";
    live_skipped_some: "Some lines were skipped" | "건너뛴 로그가 있습니다";
    live_skipped_all(count: &str): "{count} lines were skipped" | "로그 {count}줄을 건너뛰었습니다";
    live_late(count: &str): "Came in late, further back: {count}" | "늦게 도착한 이전 로그 {count}줄";
    live_load: "Load them" | "불러오기";
}
