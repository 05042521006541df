//! The app on the home screen: its name, and what it says without a connection.

use crate::web::language::phrases;

phrases! {
    app_name: "logcafe logs" | "logcafe 로그";
    app_description: "Read the logs of your own servers" | "내 서버의 로그를 읽는 곳";
    offline_title: "No connection" | "연결되지 않음";
    offline_lead: "The server does not answer, or this device is offline. Log lines stay on the server; none are kept on this device." | "서버가 응답하지 않거나 이 기기가 오프라인입니다. 로그는 서버에만 있으며 이 기기에는 저장되지 않습니다.";
    offline_again: "Try again" | "다시 시도";
    offline_banner: "No connection" | "연결 끊김";
    offline_age(age: &str): "what you see is from {age}" | "{age}의 화면입니다";
}
