//! Replies and refusals as Actix responses.

use actix_web::{
    HttpRequest, HttpResponse, Responder, ResponseError, body::BoxBody, http::StatusCode,
};

use crate::{AuthRejection, AuthReply, translate::response};

impl From<AuthReply> for HttpResponse {
    fn from(reply: AuthReply) -> Self {
        response(reply.0)
    }
}

impl Responder for AuthReply {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        self.into()
    }
}

impl ResponseError for AuthRejection {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.reply().status()).unwrap_or_default()
    }

    fn error_response(&self) -> HttpResponse {
        response(self.0.reply().clone())
    }
}
