//! Replies and refusals as responses of Rocket.

use rocket::{
    Request,
    response::{self, Responder},
};

use crate::{AuthRejection, AuthReply, translate::response};

impl<'r> Responder<'r, 'static> for AuthReply {
    fn respond_to(self, _request: &'r Request<'_>) -> response::Result<'static> {
        Ok(response(self.0))
    }
}

impl<'r> Responder<'r, 'static> for AuthRejection {
    fn respond_to(self, _request: &'r Request<'_>) -> response::Result<'static> {
        Ok(response(self.0.into_reply()))
    }
}
