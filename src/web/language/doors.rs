//! The way in, and the pages of what went wrong.

use crate::web::language::phrases;

phrases! {
    sign_in: "Sign in" | "로그인";
    no_admin_yet: "There is no admin yet. Open the setup address that “logcafe serve” printed when it started." | "아직 관리자가 없습니다. “logcafe serve”를 시작할 때 출력된 설정 주소를 열어 주세요.";
    enter_setup_code: "Enter the setup code" | "설정 코드 입력하기";
    signed_out_now: "You are signed out. See you soon." | "로그아웃했습니다. 또 만나요.";
    wrong_password: "This name and password do not go together." | "이름 또는 비밀번호가 맞지 않습니다.";
    too_many_tries(seconds: u64): "Too many tries. Wait 1 second, then try again." / "Too many tries. Wait {seconds} seconds, then try again." | "시도가 너무 많습니다. {seconds}초 뒤에 다시 시도해 주세요.";
    name: "Name" | "이름";
    password: "Password" | "비밀번호";
    show: "Show" | "보기";
    hide: "Hide" | "숨기기";
    show_password: "Show the password" | "비밀번호 보기";
    set_up: "Set up" | "처음 설정";
    welcome: "Welcome" | "환영합니다";
    first_account: "Make the first account. It is an admin: it reads logs, and lets other people and machines in." | "첫 계정을 만드세요. 관리자 계정으로, 로그를 읽고 다른 사람과 기기를 들일 수 있습니다.";
    setup_code: "Setup code" | "설정 코드";
    setup_code_hint: "Printed by “logcafe serve” when it started." | "“logcafe serve”를 시작할 때 출력됩니다.";
    your_name: "Your name" | "내 이름";
    password_hint(characters: usize): "At least {characters} characters. A few words are better than odd signs." | "{characters}자 이상. 복잡한 기호보다 단어 몇 개가 더 좋습니다.";
    make_account: "Make the account" | "계정 만들기";

    nothing_here: "Nothing here" | "아무것도 없습니다";
    not_for_you: "Not for you" | "권한이 없습니다";
    something_broke: "Something broke" | "문제가 생겼습니다";
    did_not_work: "That did not work" | "처리하지 못했습니다";
    foreign_form: "This form came from another site, so nothing was done. If you sent it from here, your proxy changes the Host header: set the public URL in logcafe's settings." | "다른 사이트에서 보낸 양식이라 아무것도 하지 않았습니다. 여기서 보냈다면 프록시가 Host 헤더를 바꾸는 것이니 logcafe 설정에서 공개 주소를 지정해 주세요.";
    signed_out_meanwhile: "You are signed out." | "로그아웃되었습니다.";
    sign_in_to_go_on: "Sign in to go on" | "로그인하고 계속하기";
    no_such_page: "There is no such page. The address may have a typing error, or what it showed is gone." | "없는 페이지입니다. 주소가 잘못되었거나 내용이 사라졌을 수 있습니다.";
    only_for_admins: "This page is for admins. Ask one of them if you need something from it." | "관리자만 볼 수 있는 페이지입니다. 필요한 것이 있으면 관리자에게 문의해 주세요.";
    other_kind_of_request: "This address takes another kind of request. Go back and use the button on the page." | "이 주소는 다른 방식의 요청만 받습니다. 뒤로 가서 페이지의 버튼을 눌러 주세요.";
    more_than_a_form_holds: "This is more than a form may hold." | "양식에 담을 수 있는 양을 넘었습니다.";
    our_fault: "The fault is ours, not yours. Trying again may help." | "저희 쪽 오류입니다. 다시 시도하면 될 수도 있습니다.";
    our_fault_numbered(number: &str): "The fault is ours, not yours. It is in the server's own log under the number {number}. Trying again may help." | "저희 쪽 오류입니다. 서버 로그에 번호 {number}로 남아 있습니다. 다시 시도하면 될 수도 있습니다.";
    go_to_explore: "Go to Explore" | "탐색으로 가기";
}
