//! Who is signed in: users by number, each with one session, whose ids follow from the number. So a
//! million rows are filled in by one statement, and their tokens need not be stored.

use std::time::{Duration, SystemTime};

use logout_all::{
    AppClaims, Guid, Keys, RefTokId, UserId,
    scheme::whole_seconds,
    token::{TokenClaims, TokenCodec},
};
use uuid::Uuid;

/// The issuer of all tokens.
pub(crate) const ISSUER: &str = "https://app.example";

/// The secret that all servers share.
pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// As browsers send it: 112 characters.
pub(crate) const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.00";

/// How many sessions are in use at a time, of all that there are.
pub(crate) const ACTIVE: u32 = 10_000;

/// The id of the user of that number.
pub(crate) fn user(number: u32) -> UserId {
    UserId::new(number).unwrap_or_else(|_| unreachable!("a number is an id"))
}

/// The e-mail address of a user, which every server answers with.
pub(crate) fn email(id: &str) -> String {
    format!("{id}@app.example")
}

/// `lpad(to_hex(number), 32, '1')::uuid` in SQL.
pub(crate) fn guid(number: u32) -> Uuid {
    padded(number, 0x1111_1111_1111_1111_1111_1111_1111_1111)
}

/// `lpad(to_hex(number), 32, '2')::uuid` in SQL.
pub(crate) fn ref_tok_id(number: u32) -> Uuid {
    padded(number, 0x2222_2222_2222_2222_2222_2222_2222_2222)
}

fn padded(number: u32, pad: u128) -> Uuid {
    let digits = (32 - number.leading_zeros()).div_ceil(4) * 4;
    Uuid::from_u128((pad >> digits << digits) | u128::from(number))
}

/// The library's own words for those ids.
pub(crate) fn ids(number: u32) -> (UserId, Guid, RefTokId) {
    let never_nil = "padded with ones and twos";
    let guid = Guid::from_uuid(guid(number)).unwrap_or_else(|| unreachable!("{never_nil}"));
    let token = RefTokId::from_uuid(ref_tok_id(number));
    (user(number), guid, token.unwrap_or_else(|| unreachable!("{never_nil}")))
}

/// The numbers of those who are active, evenly all over the table.
pub(crate) fn active(sessions: u32) -> impl Iterator<Item = u32> {
    let each = (sessions / ACTIVE).max(1);
    (0..ACTIVE.min(sessions)).map(move |place| place * each + 1)
}

/// `Authorization` values of the active sessions, good for a day.
pub(crate) fn tokens(sessions: u32) -> anyhow::Result<Vec<String>> {
    let codec = TokenCodec::new(Keys::hs256(SECRET)?, ISSUER, None, Duration::ZERO)?;
    // Of the hour, so that the processes of one run present the same bytes: a cache knows no others.
    let now = whole_seconds(SystemTime::now()) / 3600 * 3600;
    let token = |number| {
        let (user, guid, ref_tok_id) = ids(number);
        let claims = TokenClaims {
            user,
            guid,
            ref_tok_id,
            issued_at: now,
            expires_at: now + 86_400,
            auth_time: now,
            app: AppClaims::default(),
        };
        Ok(format!("Bearer {}", codec.issue(&claims, 0)?.expose()))
    };
    active(sessions).map(token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_sql_pads_them() {
        let written = |number| guid(number).simple().to_string();
        assert_eq!(written(1), "1".repeat(32));
        assert_eq!(written(0xab), format!("{}ab", "1".repeat(30)));
        assert_eq!(written(10_000_000), format!("{:1>32x}", 10_000_000));
        assert_eq!(ref_tok_id(0x300).simple().to_string(), format!("{:2>32x}", 0x300));
    }

    #[test]
    fn the_active_are_all_over_the_table_and_there() {
        let active: Vec<u32> = active(1_000_000).collect();
        assert_eq!((active[0], active[9_999], active.len()), (1, 999_901, 10_000));
        assert_eq!(super::active(5).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(USER_AGENT.len(), 112);
    }
}
