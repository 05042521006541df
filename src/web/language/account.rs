//! One's own account, and signing in another device with a code.

use crate::web::language::phrases;

phrases! {
    admin: "Admin" | "관리자";
    reader: "Reader" | "읽기 전용";
    password_changed: "Your password is changed. Your other devices are signed out." | "비밀번호를 바꿨습니다. 다른 기기는 로그아웃되었습니다.";
    session_ended: "Signed out there." | "해당 기기에서 로그아웃했습니다.";
    where_signed_in: "Where you are signed in" | "로그인한 기기";
    unknown_browser: "Unknown browser" | "알 수 없는 브라우저";
    this_one: "This one" | "이 기기";
    signed_in_when(when: &str): "signed in {when}" | "{when} 로그인";
    seen_when(when: &str): "seen {when}" | "{when} 사용";
    sign_out_everywhere_else: "Sign out everywhere else" | "다른 기기 모두 로그아웃";
    change_your_password: "Change your password" | "비밀번호 바꾸기";
    not_current_password: "This is not your current password." | "현재 비밀번호가 아닙니다.";
    current_password: "Current password" | "현재 비밀번호";
    new_password: "New password" | "새 비밀번호";
    new_password_hint(characters: usize): "At least {characters} characters. Your other devices will be signed out." | "{characters}자 이상. 다른 기기는 로그아웃됩니다.";
    change_password: "Change password" | "비밀번호 바꾸기";

    just_now: "just now" | "방금";
    minutes_ago(minutes: i64): "{minutes} min ago" | "{minutes}분 전";
    hours_ago(hours: i64): "{hours} h ago" | "{hours}시간 전";
    days_ago(days: i64): "yesterday" / "{days} days ago" | "{days}일 전";
}
