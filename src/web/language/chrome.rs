//! What stands around every page: the bar, the menu of the account.

use crate::web::language::phrases;

phrases! {
    skip: "Skip to content" | "본문으로 건너뛰기";
    go_home: "logcafe, home" | "logcafe 처음 화면";
    main_navigation: "Main" | "주 메뉴";
    explore: "Explore" | "탐색";
    saved: "Saved" | "저장됨";
    account_menu(name: &str): "{name}: account and settings" | "{name}: 계정과 설정";
    your_account: "Your account" | "내 계정";
    people: "People" | "사용자";
    tokens: "Tokens" | "토큰";
    system: "System" | "시스템";
    look: "Look" | "화면 모드";
    look_auto: "Auto" | "자동";
    look_light: "Light" | "밝게";
    look_dark: "Dark" | "어둡게";
    language: "Language" | "언어";
    sign_out: "Sign out" | "로그아웃";

    stored_unreadable: "The stored lines could not be read; the server’s own log says why." | "저장된 로그를 읽지 못했습니다. 원인은 서버 로그에 있습니다.";

    keys: "Keyboard shortcuts" | "키보드 단축키";
    close: "Close" | "닫기";
    key_next_previous: "Next line, previous line" | "다음 줄, 이전 줄";
    key_open: "Open it, close it" | "열기, 닫기";
    key_close: "Close what is open" | "열린 것 닫기";
    key_this_sheet: "This list" | "이 목록";
    use_keys: "Use single keys" | "단축키 사용";
}
