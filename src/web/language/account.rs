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

    sign_in_a_phone: "Sign in a phone" | "휴대폰에서 로그인";
    scan_with_camera: "Scan this with the phone's camera." | "휴대폰 카메라로 스캔하세요.";
    code_to_scan: "Code to scan" | "스캔할 코드";
    address_is_local: "This address works on this computer only. Open logcafe by an address that the phone can reach, or set the public URL." | "이 주소는 이 컴퓨터에서만 열립니다. 휴대폰에서 접속할 수 있는 주소로 logcafe를 열거나 공개 주소를 지정해 주세요.";
    code_holds_for(seconds: i64): "The code holds for 1 more second, and once." / "The code holds for {seconds} more seconds, and once." | "코드는 {seconds}초 동안 한 번만 쓸 수 있습니다.";
    device_is_in(device: &str): "Signed in: {device}." | "로그인했습니다: {device}";
    unknown_browser_is_in: "Signed in: a browser that does not say its name." | "로그인했습니다: 이름을 알 수 없는 브라우저";
    not_you_then_end_it: "Not yours? Sign it out at once." | "내 기기가 아니면 바로 로그아웃하세요.";
    code_once_for_two_minutes: "You will see a code. Whoever scans it within two minutes is signed in as you, so show it to your own phone only." | "코드가 표시됩니다. 2분 안에 스캔한 기기는 내 계정으로 로그인되니 내 휴대폰에만 보여 주세요.";
    show_a_code: "Show a code" | "코드 보기";
    no_camera: "No camera?" | "카메라가 없나요?";
    open_address_there: "Open this address on the other device:" | "다른 기기에서 이 주소를 여세요:";
    copy_address: "Copy the address" | "주소 복사";
    did_it_work: "Did it work?" | "로그인되었나요?";
    sign_in_here_as(name: &str): "Sign in on this device as {name}?" | "이 기기에서 {name} 님으로 로그인할까요?";
    instead_of(name: &str): "{name} is signed in here now, and will be signed out." | "지금 로그인한 {name} 님은 로그아웃됩니다.";
    code_is_over: "This code was used already, or is too old. Show a new one on the other device." | "이미 사용했거나 만료된 코드입니다. 다른 기기에서 새 코드를 띄워 주세요.";
    sign_in_with_password: "Sign in with a password" | "비밀번호로 로그인";
}
