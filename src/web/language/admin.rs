//! The pages of admins: people, tokens, the system.

use crate::web::language::phrases;

phrases! {
    people_lead: "Readers read logs and save queries. Admins also let others in." | "읽기 전용 사용자는 로그를 읽고 쿼리를 저장합니다. 관리자는 다른 사람도 들일 수 있습니다.";
    person_added(name: &str): "{name} can sign in now. Pass the password on in private." | "이제 {name} 님이 로그인할 수 있습니다. 비밀번호는 따로 전해 주세요.";
    person_has_role(name: &str): "{name} has a new role." | "{name} 님의 역할을 바꿨습니다.";
    person_has_password(name: &str): "{name} has a new password, and is signed out everywhere." | "{name} 님의 비밀번호를 바꾸고 모든 기기에서 로그아웃했습니다.";
    person_removed(name: &str): "{name} is removed." | "{name} 님을 삭제했습니다.";
    you: "You" | "나";
    added_when(when: &str): "added {when}" | "{when} 추가";
    change: "Change" | "변경";
    set_password: "Set password" | "비밀번호 지정";
    make_reader: "Make a reader" | "읽기 전용으로";
    make_admin: "Make an admin" | "관리자로";
    remove_more: "Remove…" | "삭제…";
    removal_warning(name: &str): "{name}'s saved queries go too, shared ones included." | "{name} 님이 저장한 쿼리도 공유한 것까지 함께 사라집니다.";
    remove_person(name: &str): "Remove {name}" | "{name} 님 삭제";
    let_someone_in: "Let someone in" | "사용자 추가";
    first_password_hint(characters: usize): "At least {characters} characters. They can change it later." | "{characters}자 이상. 나중에 본인이 바꿀 수 있습니다.";
    role: "Role" | "역할";
    add: "Add" | "추가";

    tokens_lead: "Keys for machines: one for each that sends or reads logs." | "기기를 위한 열쇠입니다. 로그를 보내거나 읽는 기기마다 하나씩 만드세요.";
    token_revoked: "Revoked. Whoever had it is shut out." | "폐기했습니다. 이 토큰은 더는 쓸 수 없습니다.";
    copy_token_now: "Copy the token now: it is not shown again." | "지금 토큰을 복사하세요. 다시 보여 드리지 않습니다.";
    copy_token: "Copy token" | "토큰 복사";
    copied: "Copied" | "복사됨";
    in_promtail_yaml: "In a promtail.yaml:" | "promtail.yaml에서:";
    copy_settings: "Copy settings" | "설정 복사";
    for_grafana(address: &str): "For Grafana's Loki data source: the URL is {address}, with the HTTP header “Authorization: Bearer” and the token." | "Grafana의 Loki 데이터 소스: URL은 {address}, HTTP 헤더는 “Authorization: Bearer”와 토큰입니다.";
    no_tokens_yet: "No machine has a token yet. Make one below, and give it to the agent that ships your logs." | "아직 토큰이 없습니다. 아래에서 만들어 로그를 보내는 에이전트에 넣어 주세요.";
    token_pushes: "pushes" | "보내기";
    token_reads: "reads" | "읽기";
    made_when(when: &str): "made {when}" | "{when} 생성";
    used_when(when: &str): "used {when}" | "{when} 사용";
    never_used: "never used" | "사용한 적 없음";
    revoke_more: "Revoke…" | "폐기…";
    revoke_warning: "Whatever uses this token is shut out at once." | "이 토큰을 쓰는 모든 기기가 곧바로 차단됩니다.";
    revoke_token(name: &str): "Revoke {name}" | "{name} 폐기";
    make_a_token: "Make a token" | "토큰 만들기";
    token_name_hint: "After the machine that will use it." | "토큰을 쓸 기기의 이름이 좋습니다.";
    it_may: "It may" | "권한";
    push_logs: "push logs" | "로그 보내기";
    read_logs: "read logs" | "로그 읽기";
    make_token: "Make token" | "토큰 만들기";

    lines_stored: "Lines stored" | "저장된 로그";
    on_disk: "On disk" | "디스크 사용량";
    free_on_disk: "Free on this disk" | "디스크 여유 공간";
    streams: "Streams" | "스트림";
    blocks: "Blocks" | "블록";
    in_memory: "In memory, not yet in blocks" | "메모리에 있는 로그";
    pages_use: "The pages use htmx and uPlot." | "이 페이지는 htmx와 uPlot을 사용합니다.";
    their_licences: "Their licences" | "라이선스";
}
