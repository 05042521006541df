//! What the small state and the engine refuse, in words for whoever asked.
//!
//! In English these are the errors' own texts, as machines and the command line read them. What the engine says of a
//! query itself (the parser's and the stages' sentences) is the same in every language: it is a text of LogQL.

use crate::db::panels::{PANELS_MAX, PINS_MAX};
use crate::db::{self, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
use crate::query;
use crate::web::language::Language;

impl Language {
    /// Why the small state refused something that the asking person can mend.
    pub(crate) fn state_problem(self, error: &db::Error) -> String {
        match self {
            Language::English => error.to_string(),
            Language::Korean => korean_of_state(error),
        }
    }

    /// Why a query has no answer.
    pub(crate) fn query_problem(self, error: &query::Error) -> String {
        match (self, error) {
            (_, query::Error::Store(_)) => self.stored_unreadable().to_owned(),
            (Language::Korean, query::Error::Cancelled) => "요청이 취소되었습니다".to_owned(),
            (Language::Korean, query::Error::TimedOut) => {
                "시간이 너무 오래 걸려 멈췄습니다. 기간을 줄이거나 레이블 조건을 더해 주세요".to_owned()
            }
            (Language::Korean, query::Error::Crowded { waiting_max }) => {
                format!("이미 쿼리 {waiting_max}개가 기다리고 있습니다. 잠시 뒤에 다시 시도해 주세요")
            }
            (Language::Korean, query::Error::AnswersWait { .. }) => {
                "받아 가지 않은 응답이 메모리를 다 쓰고 있습니다. 잠시 뒤에 다시 시도하거나 answer-memory를 늘려 주세요"
                    .to_owned()
            }
            (Language::Korean, query::Error::TailLimit(_)) => {
                "실시간 보기가 너무 많이 열려 있습니다. 다른 창의 실시간 보기를 닫고 다시 시도해 주세요".to_owned()
            }
            (_, error) => error.to_string(),
        }
    }
}

fn korean_of_state(error: &db::Error) -> String {
    match error {
        db::Error::UserNameInvalid => "사용자 이름은 글자, 숫자, . _ - + @ 로 1~64자여야 합니다".to_owned(),
        db::Error::UserNameTaken(name) => format!("{name}은(는) 이미 있는 이름입니다. 다른 이름을 골라 주세요"),
        db::Error::UserUnknown(name) => format!("{name} 사용자가 없습니다"),
        db::Error::LastAdmin(name) => format!("{name} 님이 마지막 관리자입니다. 먼저 다른 관리자를 정해 주세요"),
        db::Error::PasswordShort => format!("비밀번호는 {PASSWORD_CHARS_MIN}자 이상이어야 합니다"),
        db::Error::PasswordLong => format!("비밀번호는 {PASSWORD_BYTES_MAX}바이트 이하여야 합니다"),
        db::Error::SetupCodeWrong => {
            "설정 코드가 맞지 않습니다. 지금 쓸 수 있는 코드는 “logcafe serve” 출력에 있습니다".to_owned()
        }
        db::Error::TokenNameInvalid => "토큰 이름은 1~64자여야 합니다".to_owned(),
        db::Error::TokenNameTaken(name) => format!("{name} 토큰이 이미 있습니다. 다른 이름을 골라 주세요"),
        db::Error::TokenUnknown(name) => format!("{name} 토큰이 없습니다"),
        db::Error::SavedNameInvalid => "저장할 이름은 1~80자여야 합니다".to_owned(),
        db::Error::SavedNameTaken(name) => format!("{name}은(는) 이미 저장된 이름입니다. 다른 이름을 골라 주세요"),
        db::Error::SavedUnknown => "저장된 쿼리가 없거나 내 것이 아닙니다".to_owned(),
        db::Error::SavedTagInvalid => "태그는 쉼표 없이 1~32자, 최대 8개까지 달 수 있습니다".to_owned(),
        db::Error::LinkUnknown => "링크가 없거나 내 것이 아닙니다".to_owned(),
        db::Error::HistoryUnknown => "내 기록에 없는 항목입니다".to_owned(),
        db::Error::SnapshotUnknown => "스냅샷이 없거나 내 것이 아닙니다".to_owned(),
        db::Error::SnapshotAgeInvalid => "스냅샷 기간은 1시간, 1일, 7일, 30일 중에서 고를 수 있습니다".to_owned(),
        db::Error::SnapshotsFull => "스냅샷을 더 만들 자리가 없습니다. 필요 없는 스냅샷을 철회해 주세요".to_owned(),
        db::Error::DiskFull => "디스크가 가득 차서 저장하지 못했습니다. 공간을 비운 뒤 다시 시도해 주세요".to_owned(),
        db::Error::SavedTooLarge { what, max } => {
            let (what, unit) = match what {
                db::Kept::Query => ("저장할 쿼리는", "바이트"),
                db::Kept::Time => ("저장할 시간은", "바이트"),
                db::Kept::Look => ("저장할 보기 설정은", "바이트"),
                db::Kept::Description => ("설명은", "자"),
                db::Kept::List => ("한 사람이 저장할 수 있는 쿼리는", "개"),
                db::Kept::Address => ("링크에 담을 주소는", "바이트"),
                db::Kept::Snapshot => ("스냅샷은", "바이트"),
            };
            format!("{what} {max}{unit}까지입니다")
        }
        db::Error::PanelTitleInvalid => "패널 제목은 80자 이하여야 합니다".to_owned(),
        db::Error::PanelUnknown => "패널이 없거나 내 것이 아닙니다".to_owned(),
        db::Error::PanelsCrowded => format!("패널은 {PANELS_MAX}개까지 둘 수 있습니다. 먼저 하나를 빼 주세요"),
        db::Error::PanelServicesTaken => "서비스 패널이 이미 있습니다".to_owned(),
        db::Error::PinsCrowded => format!("{PINS_MAX}개까지 고정할 수 있습니다. 먼저 하나를 풀어 주세요"),
        db::Error::Create { .. }
        | db::Error::Open { .. }
        | db::Error::Newer { .. }
        | db::Error::Foreign { .. }
        | db::Error::Sql(_)
        | db::Error::Hash(_)
        | db::Error::DeletionsCrowded
        | db::Error::DeletionUnknown
        | db::Error::DeletionBegun => error.to_string(),
    }
}
