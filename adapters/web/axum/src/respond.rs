//! Replies and refusals as Axum responses.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use logout_all_tower::response;

use crate::{AuthRejection, AuthReply};

impl IntoResponse for AuthReply {
    fn into_response(self) -> Response {
        response::<Body>(self.0)
    }
}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        response::<Body>(self.0.into_reply())
    }
}
