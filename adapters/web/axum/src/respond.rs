//! Replies and refusals as Axum responses.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use logout_all_tower::{any_response, response};

use crate::{AuthRejection, AuthReply};

impl IntoResponse for AuthReply {
    fn into_response(self) -> Response {
        any_response(self.0, Body::from, Body::new)
    }
}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        response::<Body>(self.0.into_reply())
    }
}
